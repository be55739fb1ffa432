"""Tables as LaTeX, for ``\\usepackage{booktabs}`` and UTF-8 input."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .columns import Column, columns
from .markdown import counts_line, unique_titles
from .notes import notes
from .read import Grid
from .rows import Row, Table

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    **{mark: f"\\{mark}" for mark in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "—": "---",
    "…": r"\ldots{}",
}
HEADER = "% Needs \\usepackage{booktabs}; with pdfTeX also \\usepackage[T1]{fontenc}.\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is; white space, line ends too, becomes one space."""
    return "".join(ESCAPES.get(character, character) for character in " ".join(text.split()))


def tables_latex(grids: Sequence[Grid], tables: Sequence[Table]) -> str:
    """One ``table*`` environment per table; the status counts come first, as comments."""
    counts = [f"% {escape(grid.name)}: {counts_line(grid)}\n" for grid in grids]
    titles = unique_titles(tables)
    parts = [_table(table, title) for table, title in zip(tables, titles, strict=True)]
    return HEADER + "".join(counts) + "".join(parts)


def _table(table: Table, title: str) -> str:
    shown = columns(table)
    lines = [
        "",
        r"\begin{table*}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape(title[0].upper() + title[1:])}. {_small_print(table)}}}",
        rf"\label{{tab:{re.sub('[^a-z0-9]+', '-', title.lower()).strip('-')}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(shown) - 1)}}}",
        r"\toprule",
        *_head(shown),
        r"\midrule",
        *(_line(shown, row) for row in table.arms),
        *([r"\midrule"] if table.arms and (table.floors or table.ceilings) else []),
        *(_line(shown, row) for row in (*table.floors, *table.ceilings)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


def _small_print(table: Table) -> str:
    warnings = [f"Warning: {warning}" for warning in table.warnings]
    return escape(" ".join([*warnings, *notes(table)]))


def _head(shown: Sequence[Column]) -> list[str]:
    depth = max(len(column.head) for column in shown)
    padded = [column.head + ("",) * (depth - len(column.head)) for column in shown]
    return [_join([escape(text) for text in line]) for line in zip(*padded, strict=True)]


def _line(shown: Sequence[Column], row: Row) -> str:
    return _join([_cell(column, row) for column in shown])


def _cell(column: Column, row: Row) -> str:
    text = escape(column.text(row))
    # The braces keep "[" at the start of a line from being read as the argument of "\\".
    if row.kind == "ceiling" and column.is_code and text:
        return rf"\emph{{{text}}}"
    return rf"\texttt{{{text}}}" if column.is_code and text else f"{{{text}}}" if text.startswith("[") else text


def _join(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
