"""What became of every cell of a grid, and whether it kept to its registration, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .markdown import code, plain, prose
from .matched import matched_pairs
from .read import Cell, Grid, Status
from .registration import followed
from .table import count_statuses


def status_markdown(grids: Sequence[Grid]) -> str:
    """Counts of every status, each cell that is not completed with its cause, the registration and matched pairs."""
    return "\n".join(part for grid in grids for part in _grid_status(grid))


def counts_line(grid: Grid) -> str:
    """``COMPLETED 8, FAILED 0, …``"""
    return ", ".join(f"{status} {count}" for status, count in count_statuses(grid.cells).items())


def _grid_status(grid: Grid) -> list[str]:
    unfinished = [cell for cell in grid.cells if cell.status is not Status.COMPLETED]
    order = list(Status)
    unfinished.sort(key=lambda cell: order.index(cell.status))
    lines = [f"## Status of grid {plain(grid.name)}", "", counts_line(grid), ""]
    lines += [_unfinished(cell) for cell in unfinished]
    lines += [""] if unfinished else []
    return [*lines, *_registration(grid)]


def _unfinished(cell: Cell) -> str:
    seed = "" if cell.seed is None else f", seed {cell.seed}"
    arm = "" if cell.arm is None else f" ({code(cell.arm)}{seed})"
    return f"- {cell.status} {code(cell.where)}{arm}: {code(cell.cause)}"


def _registration(grid: Grid) -> list[str]:
    found = followed(grid)
    lines = [prose(found.registered), ""]
    if found.deviations:
        lines += ["Deviations:", "", *(f"- {plain(deviation)}" for deviation in found.deviations), ""]
    pairs = [f"- {plain(pair.words)}" for pair in matched_pairs(grid)]
    return [*lines, *pairs, ""] if pairs else lines
