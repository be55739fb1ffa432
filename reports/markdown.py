"""Tables and statuses as Markdown that also reads well in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .columns import Column, columns
from .notes import notes
from .read import Cell, Grid, Status
from .rows import Row, Table
from .table import count_statuses


def status_markdown(grids: Sequence[Grid]) -> str:
    """Counts of every status, then each cell that is not completed, with its cause."""
    return "\n".join(part for grid in grids for part in _grid_status(grid))


def tables_markdown(grids: Sequence[Grid], tables: Sequence[Table]) -> str:
    """The statuses, then every table with its warnings before and its notes after it."""
    titles = unique_titles(tables)
    parts = [_table(table, title) for table, title in zip(tables, titles, strict=True)]
    return "\n".join([status_markdown(grids), *parts])


def unique_titles(tables: Sequence[Table]) -> list[str]:
    """``grid demo, task listops``; numbered where several folders hold grids of one name."""
    plain = [f"grid {table.grid}, task {table.task}" for table in tables]
    total, seen = Counter(plain), Counter[str]()
    titles = []
    for title in plain:
        seen[title] += 1
        titles.append(f"{title} ({seen[title]} of {total[title]})" if total[title] > 1 else title)
    return titles


def counts_line(grid: Grid) -> str:
    """``COMPLETED 8, FAILED 0, …``"""
    return ", ".join(f"{status} {count}" for status, count in count_statuses(grid.cells).items())


def code(text: str) -> str:
    """A one-line code span; backticks inside become apostrophes."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


def _grid_status(grid: Grid) -> list[str]:
    unfinished = [cell for cell in grid.cells if cell.status is not Status.COMPLETED]
    order = list(Status)
    unfinished.sort(key=lambda cell: order.index(cell.status))
    lines = [f"## Status of grid {grid.name}", "", counts_line(grid), ""]
    lines += [_unfinished(cell) for cell in unfinished]
    return [*lines, ""] if unfinished else lines


def _unfinished(cell: Cell) -> str:
    seed = "" if cell.seed is None else f", seed {cell.seed}"
    arm = "" if cell.arm is None else f" ({code(cell.arm)}{seed})"
    return f"- {cell.status} {code(cell.where)}{arm}: {code(cell.cause)}"


def _table(table: Table, title: str) -> str:
    shown = columns(table)
    body = [[_cell(column, row) for column in shown] for row in table.rows]
    head = [" ".join(column.head) for column in shown]
    lines = [f"## Results: {title}", ""]
    lines += [line for warning in table.warnings for line in (f"**Warning:** {_plain(warning)}", "")]
    lines += [*_grid([head, *body]), ""]
    lines += [line for note in notes(table) for line in (_plain(note), "")]
    return "\n".join(lines)


def _grid(rows: list[list[str]]) -> list[str]:
    widths = [max(len(text) for text in column) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [f"| {' | '.join(_pad(row, widths))} |" for row in (rows[0], rule, *rows[1:])]


def _pad(row: list[str], widths: list[int]) -> list[str]:
    first, *rest = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]


def _cell(column: Column, row: Row) -> str:
    text = column.text(row)
    is_name = column.is_code and any(character.isalnum() for character in text)
    if is_name:
        text = f"*{_plain(text)}*" if row.kind == "ceiling" else code(text)
    return text.replace("|", "\\|")


def _plain(text: str) -> str:
    """Prose with names in it: only what Markdown would swallow is escaped."""
    for mark in ("\\", "`", "*", "_", "<", "["):
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.split())
