"""One ``Table`` → Markdown, LaTeX (booktabs), HTML, CSV, and text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Protocol

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from .escape import code, csv_text, latex, plain, prose, utf8
from .table import LONG, MISSING, Column, Entry, Row, Table

__all__ = [
    "FORMATS", "MISSING", "Column", "Entry", "Row", "Table", "anchor", "environment", "fragment", "markdown",
    "page", "table_lines", "terminal", "utf8",
]  # fmt: skip

TEMPLATES = Path(__file__).with_name("templates")


def environment(folder: Path, *, autoescape: bool) -> Environment:
    """Templates of a folder: nothing undefined is passed over, and ``code``, ``plain``, ``prose``, ``latex`` escape."""
    made = Environment(
        loader=FileSystemLoader(folder), autoescape=autoescape, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters |= {"code": code, "plain": plain, "prose": prose, "latex": latex}
    return made


TEXTS, PAGES = (environment(TEMPLATES, autoescape=escaped) for escaped in (False, True))


def markdown(table: Table) -> str:
    """Title, warnings, table and notes, aligned so that they read well in a terminal too; then what has details.

    Before it an anchor of the table's name, so that ``PAGE.md#NAME`` leads to it.
    """
    return TEXTS.get_template("table.md.j2").render(
        table=table, anchor=anchor(table.name), grid=markdown_grid(table)
    )  # fmt: skip


def anchor(name: str) -> str:
    """The line that ``PAGE.md#NAME`` leads to."""
    return f'<a id="{name}"></a>'


def table_lines(page: str, name: str) -> list[str]:
    """Lines of one table of a page that has it: the head, the rule below it, and a line for each row."""
    below = page.partition(anchor(name))[2].splitlines()
    return [*takewhile(is_row := lambda line: line.startswith("|"), dropwhile(lambda line: not is_row(line), below))]


class Pictured(Protocol):
    """A figure that lies beside a page as ``NAME.svg``."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def notes(self) -> Sequence[str]: ...


def page(tables: Sequence[Table], pictures: Sequence[Pictured] = ()) -> str:
    """Tables, then pictures, as one Markdown text; of several, links to each come first."""
    parts = [*map(markdown, tables), *map(_picture, pictures)]
    links = [f"- [`{part.name}`](#{part.name}): {plain(part.title)}\n" for part in (*tables, *pictures)]
    return "\n".join(["".join(links), *parts] if len(parts) > 1 else parts)


def _picture(of: Pictured) -> str:
    lines = [anchor(of.name), f"## {prose(of.title)}", f"![{plain(of.title)}]({of.name}.svg)", *map(prose, of.notes)]
    return "\n\n".join(lines) + "\n"


def markdown_grid(table: Table) -> str:
    """The table alone."""
    right = [table.right[index] for index in table.printed]
    rows = [[plain(table.columns[index].head) for index in table.printed]]
    rows += [[_markdown_cell(table.columns[index], row.entries[index]) for index in table.printed]
             for row in table.rows]  # fmt: skip
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * (width - 1) + (":" if number else "-") for width, number in zip(widths, right, strict=True)]
    lines = [[text.rjust(width) if number else text.ljust(width)
              for text, width, number in zip(row, widths, right, strict=True)] for row in rows]  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _markdown_cell(column: Column, entry: Entry) -> str:
    is_name = column.is_code and any(map(str.isalnum, entry.text))
    return code(entry.text).replace("|", "\\|") if is_name else plain(entry.text)


def tex(table: Table) -> str:
    """One ``table*`` environment for ``booktabs``: title as caption, notes below; what has details in paragraphs."""
    return TEXTS.get_template("table.tex.j2").render(
        table=table,
        label=re.sub("[^a-z0-9]+", "-", table.name.lower()).strip("-"),
        title=table.title[:1].upper() + table.title[1:].rstrip("."),
        columns="".join(_specification(table, index) for index in table.printed),
        head=_latex_line([latex(table.columns[index].head) for index in table.printed]),
        lines=[(row.ruled, _latex_line([_latex_cell(table.columns[index], row.entries[index])
                                        for index in table.printed])) for row in table.rows],
    )  # fmt: skip


def _specification(table: Table, index: int) -> str:
    """Left, right, or a box for prose whose lines are broken."""
    if max((len(row.entries[index].text) for row in table.rows), default=0) > LONG:
        return r"p{0.22\linewidth}"
    return "r" if table.right[index] else "l"


def _latex_cell(column: Column, entry: Entry) -> str:
    text = latex(entry.text)
    return rf"\texttt{{{text}}}" if column.is_code and text else text


def _latex_line(cells: Sequence[str]) -> str:
    # Braces keep "[" and "*" from being read as arguments of the line's end before them.
    return " & ".join(f"{{{text}}}" if text.startswith(("[", "*")) else text for text in cells) + r" \\"


def fragment(table: Table) -> str:
    """HTML: a ``section`` with heading, warnings, table and notes; details fold out below their rows.

    Every entry says its row and column of the table's body, counted from 1 as ``reports.trace`` counts them, in
    ``data-row`` and ``data-column``; ``sources.json`` holds their sources.
    """
    return PAGES.get_template("table.html.j2").render(table=table)


def document(table: Table) -> str:
    """An HTML page with nothing but this table, which needs no other file."""
    return PAGES.get_template("document.html.j2").render(table=table)


def csv(table: Table) -> str:
    """Every column with raw numbers (fractions of 1, seconds, FLOPs), or its texts where it has none; gaps empty."""
    records = [[row.entries[index].value(key) for index, key in table.csv_columns.values()] for row in table.rows]
    # object keeps whole numbers whole in columns that have gaps.
    frame = pd.DataFrame(records, columns=[*table.csv_columns], dtype=object)
    return csv_text(frame)


FORMATS: Mapping[str, Callable[[Table], str]] = {"tex": tex, "html": document, "csv": csv}
"""Ending of a table's own file → the whole file's text; as Markdown, tables stand in a ``page``."""


WIDEST, NARROWEST, BETWEEN = 44, 22, 2
"""Characters at which a cell's lines are broken for a terminal, at most and at least, and between two columns."""


def terminal(table: Table, width: int) -> str:
    """For ``width`` characters a line: long cells are broken, and columns that do not fit go below under the first."""
    most, blocks = _blocks(table, width)
    console = Console(width=width, force_terminal=False, no_color=True, legacy_windows=False, _environ={})
    with console.capture() as said:
        for text in (table.title, *(f"Warning: {warning}" for warning in table.warnings)):
            console.print(_shown(text), "")
        for columns in blocks:
            console.print(_grid(table, columns, most), "")
        for text in (*table.notes, *(f"{row.title}: {text}" for row in table.rows for text in row.detail)):
            console.print(_shown(text))
    return "\n".join(line.rstrip() for line in said.get().splitlines()) + "\n"


def _blocks(table: Table, width: int) -> tuple[int, list[list[int]]]:
    """How wide a cell may be so that all columns fit; else the most, and columns in groups, each begun by the first."""
    first, *others = table.printed
    for most in range(WIDEST, NARROWEST - 1, -1):
        if sum(_width(table, index, most) for index in table.printed) <= width + BETWEEN:
            return most, [[first, *others]]
    blocks, left = [[first]], width - _width(table, first, WIDEST)
    for index in others:
        needed = _width(table, index, WIDEST)
        if needed > left and len(blocks[-1]) > 1:
            blocks.append([first])
            left = width - _width(table, first, WIDEST)
        blocks[-1].append(index)
        left -= needed
    return WIDEST, blocks


def _width(table: Table, index: int, most: int) -> int:
    texts = [table.columns[index].head, *(row.entries[index].text for row in table.rows)]
    return min(most, max(map(cell_len, texts))) + BETWEEN


def _grid(table: Table, columns: Sequence[int], most: int) -> Grid:
    """Rows that have nothing in these columns are left out."""
    grid = Grid(box=None, pad_edge=False, padding=(0, BETWEEN, 0, 0), show_edge=False)
    for index in columns:
        head, right = _shown(table.columns[index].head), table.right[index]
        grid.add_column(head, justify="right" if right else "left", overflow="fold", max_width=most)
    shown = [row for row in table.rows if len(columns) == 1 or any(row.entries[index].text for index in columns[1:])]
    for number, row in enumerate(shown):
        if row.ruled and number:
            grid.add_row()
        grid.add_row(*(_shown(row.entries[index].text) for index in columns))
    return grid


def _shown(text: str) -> Text:
    return Text(utf8(" ".join(text.split())).decode())
