"""Any text in a table is read back as it was, by a parser that is not ours; LaTeX compiles where there is a TeX."""

from __future__ import annotations

import csv
import itertools
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports.render import (
    FORMATS,
    MISSING,
    Column,
    Entry,
    Row,
    Table,
    fragment,
    markdown,
    page,
    table_lines,
    terminal,
    utf8,
)
from reports.render.escape import latex, prose

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" \\`*_<>&$|~[]()#+-1.!:")
)
NASTY = r"50%_\{$x^2$}&#~<a|b> $\nosuch{$ [x](y) 1. — é ✓"
TWO_TEXTS = st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=3)


def table(rows: list[list[str]], *, is_code: bool = False, detail: str = "", notes: tuple[str, ...] = ()) -> Table:
    columns = tuple(Column(f"head {number}", is_code=is_code) for number in range(len(rows[0])))
    details = (detail,) if detail else ()
    return Table("name", "Title", columns, tuple(Row(tuple(map(Entry, row)), details) for row in rows), notes=notes)


def one_line(text: str) -> str:
    return " ".join(text.split())


def markdown_cells(text: str) -> list[list[str]]:
    """Rendered texts of the table's body."""
    parser, rows = MarkdownIt("commonmark").enable(["table", "strikethrough"]), list[list[str]]()
    for before, token in itertools.pairwise(parser.parse(text)):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open") and token.type == "inline":
            rows[-1].append("".join(child.content for child in token.children or []))
            assert {child.type for child in token.children or []} <= {"text", "text_special", "code_inline"}
    return rows[1:]


@given(TWO_TEXTS)
@settings(max_examples=200, deadline=None)
def test_markdown_shows_every_text_as_it_is(rows: list[list[str]]) -> None:
    assert markdown_cells(markdown(table(rows))) == [[one_line(text) for text in row] for row in rows]


@given(TEXTS.filter(lambda text: any(map(str.isalnum, text)) and "`" not in text))
@settings(max_examples=100, deadline=None)
def test_markdown_shows_names_as_code(name: str) -> None:
    assert markdown_cells(markdown(table([[name, "x"]], is_code=True)))[0][0] == one_line(name)


@given(TEXTS.filter(str.strip))
@settings(max_examples=200, deadline=None)
def test_prose_is_one_paragraph_of_plain_text(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable("strikethrough").parse(prose(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(child.content for child in tokens[1].children or []) == one_line(text)


class Cells(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.cells: dict[tuple[int, int], str] = {}
        self.tags: list[str] = []
        self.details = ""
        self._place: tuple[int, int] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        known = dict(attrs)
        if tag == "td" and "data-row" in known:
            self._place = int(known["data-row"] or 0), int(known["data-column"] or 0)
            self.cells[self._place] = ""

    def handle_endtag(self, tag: str) -> None:
        self._place = None if tag == "td" else self._place

    def handle_data(self, data: str) -> None:
        if self._place is not None:
            self.cells[self._place] += data
        elif "details" in self.tags:
            self.details += data


@given(TWO_TEXTS, st.booleans())
@settings(max_examples=100, deadline=None)
def test_html_shows_every_text_as_it_is_and_adds_no_tags(rows: list[list[str]], is_code: bool) -> None:
    found = Cells(fragment(table(rows, is_code=is_code, detail=rows[0][1], notes=(rows[0][0],))))
    assert found.cells == {(i, j): text for i, row in enumerate(rows, 1) for j, text in enumerate(row, 1)}
    assert rows[0][1] in found.details
    known = {"section", "h2", "div", "table", "thead", "tr", "th", "tbody", "td", "p", "code", "details", "summary"}
    assert set(found.tags) <= known


def test_the_html_document_needs_no_other_file() -> None:
    text = FORMATS["html"](table([["<script>alert(1)</script>", "1"]]))
    assert text.startswith("<!DOCTYPE html>") and 'charset="utf-8"' in text
    assert "<script" not in text and not re.search(r'(src|href)="', text)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_latex_has_no_bare_special_character(text: str) -> None:
    shown = latex(text)
    bare = re.sub(r"\\[{}&%$#_]|\\[a-z]+\{\}|\$(?:\\[a-zA-Z]+|-|\^2)\$", "", shown)
    assert not re.search(r"[\\{}&%$#_~^<>|\"`]", bare), shown
    assert all(character <= "\u017f" for character in shown)


def test_latex_escapes_every_special_character() -> None:
    assert latex(r"a_b & 5% #1 $x {y}") == r"a\_b \& 5\% \#1 \$x \{y\}"
    assert latex("\\ ~ ^ < > |") == (
        r"\textbackslash{} \textasciitilde{} \textasciicircum{} \textless{} \textgreater{} \textbar{}"
    )
    assert latex("1 ± 2\n− 3 × — ● ○ 平") == r"1 $\pm$ 2 $-$ 3 $\times$ --- $\bullet$ $\circ$ [U+5E73]"


def test_latex_is_balanced_and_has_as_many_cells_as_columns() -> None:
    made = table([[NASTY, "[1, 2]", "x"], ["*", "+1 ± 2", "—"]], detail=NASTY, notes=(NASTY,))
    text = FORMATS["tex"](Table(made.name, NASTY, made.columns, made.rows, (NASTY,), made.notes))
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[\\{}&%$#_]", "", body)  # what is left is syntax
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert not re.search(r"[%#~^<>|]", bare)
    opened = re.findall(r"\\(begin|end)\{(.+?)\}", body)
    assert opened == [("begin", "table*"), ("begin", "tabular"), ("end", "tabular"), ("end", "table*")]
    rules = [body.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert rules == sorted(rules)
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+|.*?\}.*?)\}\n", body)
    lines = [line for line in body.splitlines() if line.endswith(r" \\")]
    cells = len(re.sub(r"p\{[^}]*\}", "p", columns))
    assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {cells}


def test_csv_has_raw_numbers_under_names_of_their_own() -> None:
    columns = (Column("arm"), Column("at 256"), Column("at 512"), Column("seen", in_csv_only=True))
    first = (
        Entry("a,b"), Entry("1.0 k", {"flops": 1000}), Entry(MISSING, {"flops": None}), Entry("", {"share": 0.5}),
    )  # fmt: skip
    last = (Entry(MISSING), Entry(MISSING), Entry("2.0 k", {"flops": 2000}), Entry("", {"share": None}))
    made = Table("name", "Title", columns, (Row(first), Row(last)))
    assert [*made.csv_columns] == ["arm", "at_256_flops", "at_512_flops", "share"]
    assert list(csv.reader(StringIO(FORMATS["csv"](made))))[1:] == [["a,b", "1000", "", "0.5"], ["", "", "2000", ""]]
    assert "seen" not in "".join(make(made) for make in (markdown, FORMATS["tex"], FORMATS["html"]))


def test_numbers_stand_right_and_prose_left() -> None:
    numbers = table([["1", "+2.0 ± 1", "94 % of the parameters are said not to be needed at all"], ["x", MISSING, ""]])
    assert numbers.right == (False, True, False)


def test_details_stand_below_the_table_under_their_rows_names() -> None:
    made = table([["first", "1"], ["second", "2"]], detail="all the figures", notes=("a note",))
    text = markdown(made)
    assert text.index("| second") < text.index("a note") < text.index("**first**") < text.index("all the figures")
    assert text.index("**second**") < text.rindex("all the figures")
    assert "all the figures" not in markdown_cells(text)[0]


def test_each_table_of_a_page_is_found_by_the_link_to_it() -> None:
    names = ("runs", "runs_more", "more_runs")
    made = [replace(table([[name, "1"]]), name=name, title="[a](b) `c`") for name in names]
    text = page(made)
    shown = MarkdownIt("commonmark", {"html": True}).render(text)
    assert re.findall(r'href="#([\w+-]+)"', shown) == re.findall(r'<a id="([\w+-]+)"></a>', shown) == [*names]
    assert [table_lines(text, name)[2:] for name in names] == [markdown(each).splitlines()[-2:-1] for each in made]
    assert "#runs" not in page(made[:1]), "one table needs no list of tables"


def test_a_figure_stands_below_the_tables_of_its_page() -> None:
    drawing = SimpleNamespace(name="figure4", title="Curves | *so far*", notes=("1. a band",))
    text = page([replace(table([["a", "1"]]), name="runs")], [drawing])
    shown = MarkdownIt("commonmark", {"html": True}).render(text)
    assert '<img src="figure4.svg" alt="Curves | *so far*"' in shown and "<p>1. a band</p>" in shown
    assert shown.index('href="#figure4"') < shown.index('id="runs"') < shown.index('id="figure4"')


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_shows_every_cell_within_its_width(width: int) -> None:
    long = "a text that is so long that its lines must be broken somewhere"
    rows = [[f"row {number}", *(f"{number}.{column} [1, 2]" for column in range(9)), long] for number in range(3)]
    lines = terminal(table(rows, notes=(long,)), width).splitlines()
    assert max(map(len, lines)) <= width
    shown = " ".join(" ".join(lines).split())
    assert all(text in shown for row in rows for text in row[:10])
    assert [word for word in long.split() if word not in shown] == []


def test_half_a_surrogate_pair_and_a_line_end_cost_no_table() -> None:
    made = table([["two\nlines \ud83d", "1"]], is_code=True)
    texts = {suffix: utf8(make(made)).decode() for suffix, make in {**FORMATS, "md": markdown}.items()}
    assert all(r"\ud83d" in texts[suffix] for suffix in ("md", "csv", "html")) and "U+D83D" in texts["tex"]
    assert r"two lines \ud83d" in terminal(made, 80)


@pytest.mark.parametrize("engine", ["pdflatex", "tectonic"])
def test_latex_compiles(tmp_path: Path, engine: str) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"no {engine} on this machine")
    long = "a text that is so long that its lines must be broken somewhere"
    body = FORMATS["tex"](table([[NASTY, "[1, 2]", long], ["*", "+1 ± 2", "—"]], detail=NASTY, notes=(NASTY,)))
    packages = r"\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{booktabs,textcomp}"
    text = f"\\documentclass{{article}}{packages}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if engine == "pdflatex" else []
    done = subprocess.run([engine, *options, "t.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").exists()
