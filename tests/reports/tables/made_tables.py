"""What the tests of tables share: tables from run folders, and their entries by row and column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.definition import Definition
from reports.render import Entry, Table
from reports.study.build import study
from tests.reports.synthetic_runs import plan, result, write_cell, write_registered

SCORES = {
    "base": (0.70, 0.71, 0.72),
    "base+a": (0.75, 0.77, 0.76),
    "base+b": (0.7009, 0.7104, 0.7201),
    "placebo": (0.69, 0.72, 0.71),
    "transformer": (0.60, 0.61, 0.62),
}
MARGIN = {"metric": "accuracy", "margin_points": 1.0}


def one_in(grid: Path, primary: dict[str, Any] | None = None, *, design: bool = True) -> Path:
    """A completed grid of ``SCORES`` over three seeds, with a one-in design of two factors."""
    record = plan(list(SCORES), (0, 1, 2))
    if design:
        levels = {"base": [], "base+a": ["a"], "base+b": ["b"]}
        record["designs"] = [{"kind": "one_in", "base": "base", "factors": ["a", "b"], "levels": levels}]
    record["primary"] = primary
    write_registered(grid, record)
    for arm, scores in SCORES.items():
        for seed, score in enumerate(scores):
            write_cell(grid, result(arm, seed, score))
    return grid


def tables(kind: str, *grids: Path, mix: Sequence[str] = (), **options: Any) -> list[Table]:
    return Definition(name="t", title="Title", table=kind, options=options).tables(study(grids, mix))


def rows_of(table: Table, key: str) -> dict[str, dict[str, Any]]:
    """Value under ``key`` → all raw values of the row; of several such rows, the last."""
    rows = [{name: value for entry in row.entries for name, value in entry.raw.items()} for row in table.rows]
    return {str(row[key]): row for row in rows if key in row}


def entry(table: Table, key: str, name: str, wanted: str) -> Entry:
    """The entry with the CSV column ``wanted`` in the row whose ``key`` is ``name``."""
    row = next(row for row in table.rows if any(each.raw.get(key) == name for each in row.entries))
    return next(each for each in row.entries if wanted in each.raw)


def texts(table: Table, column: int) -> list[str]:
    return [row.entries[column].text for row in table.rows]


def ruled(table: Table) -> list[int]:
    """Numbers of the rows below a line, from 0."""
    return [number for number, row in enumerate(table.rows) if row.ruled]
