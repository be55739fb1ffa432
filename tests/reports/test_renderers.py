"""Any text in a sheet is read back as it was, by a parser that is not ours; LaTeX compiles where there is a TeX."""

from __future__ import annotations

import csv
import itertools
import re
import shutil
import subprocess
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from reports.csvfile import sheet_csv
from reports.html import document, sheet_html
from reports.latex import escape, sheet_latex
from reports.layout import csv_columns, is_right
from reports.markdown import prose, sheet_markdown
from reports.sheet import MISSING, Column, Entry, Sheet

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" \\`*_<>&$|~[]()#+-1.!:")
)
NASTY = r"50%_\{$x^2$}&#~<a|b> $\nosuch{$ [x](y) 1. — é ✓"


def sheet(rows: list[list[str]], *, is_code: bool = False, notes: tuple[str, ...] = ()) -> Sheet:
    columns = tuple(Column((f"head {number}",), is_code=is_code) for number in range(len(rows[0])))
    return Sheet("name", "Title", columns, tuple(tuple(map(Entry, row)) for row in rows), notes=notes)


def one_line(text: str) -> str:
    return " ".join(text.split())


def markdown_cells(text: str) -> list[list[str]]:
    """Rendered texts of the table's body."""
    parser, rows = MarkdownIt("commonmark").enable(["table", "strikethrough"]), list[list[str]]()
    tokens = parser.parse(text)
    for before, token in itertools.pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open") and token.type == "inline":
            rows[-1].append("".join(child.content for child in token.children or []))
            assert {child.type for child in token.children or []} <= {"text", "text_special", "code_inline"}
    return rows[1:]


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_markdown_shows_every_text_as_it_is(rows: list[list[str]]) -> None:
    assert markdown_cells(sheet_markdown(sheet(rows))) == [[one_line(text) for text in row] for row in rows]


@given(TEXTS.filter(lambda text: any(map(str.isalnum, text)) and "`" not in text))
@settings(max_examples=100, deadline=None)
def test_markdown_shows_names_as_code(name: str) -> None:
    text = sheet_markdown(sheet([[name, "x"]], is_code=True))
    assert markdown_cells(text)[0][0] == one_line(name)


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
        self._place: tuple[int, int] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "td":
            known = dict(attrs)
            self._place = int(known["data-row"] or 0), int(known["data-column"] or 0)
            self.cells[self._place] = ""

    def handle_endtag(self, tag: str) -> None:
        self._place = None if tag == "td" else self._place

    def handle_data(self, data: str) -> None:
        if self._place is not None:
            self.cells[self._place] += data


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_html_shows_every_text_as_it_is_and_adds_no_tags(rows: list[list[str]], is_code: bool) -> None:
    found = Cells(sheet_html(sheet(rows, is_code=is_code, notes=(rows[0][0],))))
    expected = {(i, j): text for i, row in enumerate(rows, 1) for j, text in enumerate(row, 1)}
    assert found.cells == expected
    known = {"section", "h2", "table", "thead", "tr", "th", "tbody", "td", "p", "code"}
    assert set(found.tags) <= known


def test_the_html_document_needs_no_other_file() -> None:
    text = document(sheet([["<script>alert(1)</script>", "1"]]))
    assert text.startswith("<!DOCTYPE html>") and 'charset="utf-8"' in text
    assert "<script" not in text and not re.search(r'(src|href)="', text)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_latex_has_no_bare_special_character(text: str) -> None:
    shown = escape(text)
    bare = re.sub(r"\\[{}&%$#_]|\\[a-z]+\{\}|\$(?:\\[a-z]+|-|\^2)\$", "", shown)
    assert not re.search(r"[\\{}&%$#_~^<>|\"`]", bare), shown
    assert all(character <= "\u017f" for character in shown)


def test_csv_has_raw_numbers_under_names_of_their_own() -> None:
    columns = (Column(("arm",)), Column(("at", "256")), Column(("at", "512")), Column(("seen",), in_csv_only=True))
    row = (
        Entry("a,b"), Entry("1.0 k", {"flops": 1000}), Entry(MISSING, {"flops": None}), Entry("", {"share": 0.5}),
    )  # fmt: skip
    last = (Entry(MISSING), Entry(MISSING), Entry("2.0 k", {"flops": 2000}), Entry("", {"share": None}))
    made = Sheet("name", "Title", columns, (row, last))
    assert [column.name for column in csv_columns(made)] == ["arm", "at_256_flops", "at_512_flops", "share"]
    assert list(csv.reader(StringIO(sheet_csv(made))))[1:] == [["a,b", "1000", "", "0.5"], ["", "", "2000", ""]]
    assert "seen" not in sheet_markdown(made) + sheet_latex(made) + sheet_html(made)


def test_numbers_stand_right_and_prose_left() -> None:
    numbers = sheet([["1", "+2.0 ± 1", "94 % of the parameters are said not to be needed at all"], ["x", MISSING, ""]])
    assert [is_right(numbers, index) for index in range(3)] == [False, True, False]


@pytest.mark.parametrize("engine", ["pdflatex", "tectonic"])
def test_latex_compiles(tmp_path: Path, engine: str) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"no {engine} on this machine")
    long = "a text that is so long that its lines must be broken somewhere"
    body = sheet_latex(sheet([[NASTY, "[1, 2]", long], ["*", "+1 ± 2", "—"]], notes=(NASTY,)))
    packages = r"\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{booktabs,textcomp}"
    text = f"\\documentclass{{article}}{packages}\\begin{{document}}\n{body}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if engine == "pdflatex" else []
    done = subprocess.run([engine, *options, "t.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").exists()
