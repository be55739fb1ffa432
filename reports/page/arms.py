"""The table of all arms, floors and ceilings, of all grids and tasks, as data for the page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..evidence import Evidence
from ..read import Cell, Grid, Status
from ..rows import Row, Table
from ..table import BATCHES, build_tables
from .amounts import Amount, of_count, of_flops, of_interval, of_latency
from .factors import Levels, levels
from .sources import Sources

COLUMNS = (
    ("accuracy", "test accuracy, %", "mean ± 95 % interval"),
    ("difference", "difference to base", "points, paired by seed"),
    ("n", "n", "seeds / examples"),
    ("status", "runs", "completed of planned"),
    ("parameters", "parameters", "total"),
    ("flops", "FLOPs", "per example @ length"),
    *((f"latency_{batch}", f"latency, batch {batch}", "ms, median / p95 @ length") for batch in BATCHES),
)
"""Key, head and unit of every column with amounts; those with names (arm, grid, task) stand before them."""


def arm_rows(evidence: Evidence, grid: Grid, sources: Sources) -> list[dict[str, Any]]:
    """One record per row of the grid's tables."""
    known = levels(grid)
    tables = build_tables([grid], sorted(evidence.mix))
    return [_record(evidence, grid, table, row, known, sources) for table in tables for row in table.rows]


def _record(
    evidence: Evidence, grid: Grid, table: Table, row: Row, known: dict[str, Levels], sources: Sources
) -> dict[str, Any]:
    amounts = _amounts(grid, table, row)
    mine = known.get(row.name, Levels()) if row.is_arm else Levels()
    return {
        "kind": row.kind, "arm": row.name, "grid": table.grid, "task": table.task, "isBase": row.is_base,
        "on": sorted(mine.on), "off": sorted(mine.off), "detail": _apart(table, row),
        "amounts": {key: amount.record(sources.name(amount.sources)) for key, amount in amounts.items()},
    }  # fmt: skip


def _apart(table: Table, row: Row) -> str:
    """What tells a row from another of the same arm, whose runs are unlike it."""
    twins = [other for other in table.arms if other.name == row.name]
    keys = ("run_key", "data_key", "code_revision", "device") if len(twins) > 1 and row.is_arm else ()
    return "; ".join(getattr(row, key) for key in keys if len({getattr(twin, key) for twin in twins}) > 1)


def _amounts(grid: Grid, table: Table, row: Row) -> dict[str, Amount]:
    mine = _runs(grid, table, row) if row.is_arm else (f"{grid.folder.name}/floors.json",)
    planned = mine or (f"{grid.folder.name}/plan.json",)
    flops = row.flops
    costs = f"{grid.folder.name}/costs.json"
    return {
        "accuracy": of_interval(row.accuracy, mine, even=row.is_arm),
        "difference": _difference(grid, table, row, mine),
        "n": of_count(row.n, mine, row.is_arm),
        "parameters": of_count(row.parameters.total if row.parameters else None, planned, row.is_arm),
        "flops": of_flops(flops.forward if flops else None, flops.length if flops else None, planned, row.is_arm),
        **{f"latency_{batch}": of_latency(row.latency.get(batch), costs, row.is_arm) for batch in BATCHES},
        "status": _status(grid, row),
    }


def _difference(grid: Grid, table: Table, row: Row, mine: tuple[str, ...]) -> Amount:
    if not row.is_arm or row.is_base:
        return Amount("base" if row.is_base else "")
    bases = [other for other in table.arms if other.is_base]
    alike = tuple(where for base in bases for where in _runs(grid, table, base, like=row))
    return of_interval(row.difference, (*mine, *alike), sign="+")


def _runs(grid: Grid, table: Table, row: Row, like: Row | None = None) -> tuple[str, ...]:
    """Folders of the runs of a row; of a base's, those that were paired with the row ``like`` alone."""
    found: dict[int, str] = {}
    strata = {key: set(getattr(like or row, key).split("; ")) for key in ("data_key", "code_revision", "device")}
    for cell in sorted(grid.cells, key=lambda cell: cell.where):
        result = cell.result
        if result is None or (result.arm, result.task, result.run_key) != (row.name, table.task, row.run_key):
            continue
        if all(getattr(result, key) in values for key, values in strata.items()):
            found.setdefault(result.seed, cell.where)
    wanted = set(row.seeds) if like is None else set(row.seeds) & set(like.seeds)
    return tuple(found[seed] for seed in sorted(found) if seed in wanted)


def _status(grid: Grid, row: Row) -> Amount:
    """How many of the arm's cells are completed, and what became of the others."""
    if not row.is_arm:
        return Amount("")
    cells: list[Cell] = [cell for cell in grid.cells if cell.arm == row.name]
    counts = Counter(cell.status for cell in cells)
    done = counts.pop(Status.COMPLETED, 0)
    others = [f"{count} {str(status).lower()}" for status, count in sorted(counts.items())]
    text = ", ".join([f"{done} of {len(cells)}", *others])
    return Amount(text, done / len(cells) if cells else None, tuple(cell.where for cell in cells))
