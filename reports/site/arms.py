"""The rows of the table of all arms, baselines and oracles, of all grids and tasks, as data for the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from ..render.table import Row
from ..study.grid import Cell
from ..study.model import GridStudy, Study
from ..study.subjects import Arm
from ..tables.arms import arms

COLUMNS = (
    ("accuracy", "test accuracy, %", "mean [95 % interval]"),
    ("difference", "difference to base", "points, paired by seed"),
    ("verdict", "verdict", ""),
    ("n", "n", "seeds or examples"),
    ("status", "runs", "completed of planned"),
    ("parameters_total", "parameters", "without embedding"),
    ("flops_forward", "FLOPs", "per example @ length"),
    ("latency_b1_median_s", "batch 1, ms", "median (p95) @ length"),
    ("latency_b32_median_s", "batch 32, ms", "median (p95) @ length"),
    ("run_key", "configuration", "key"),
)
"""Key of the raw value, head and unit of every column; those with names (arm, grid, task) stand before them."""
LENGTHS = {"flops_forward": "flops_length", **{f"latency_b{n}_median_s": f"latency_b{n}_length" for n in (1, 32)}}


class Levels(NamedTuple):
    """Factors known to be on, and known to be off; of any other nothing is said."""

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()


def arm_rows(study: Study, sources: Any) -> list[dict[str, Any]]:
    """The rows of the ``arms`` tables, with raw values to sort by and the names of each entry's sources."""
    return [
        _record(grid, row, arm, known, sources)
        for grid, table in zip(study.grids, arms(study), strict=True)
        for known in [Known(levels(grid), _cells(grid))]
        for row, arm in zip_longest(table.rows, (*grid.arms, *grid.others))
    ]


class Known(NamedTuple):
    """Of a grid, by arm: its factors, and its cells."""

    levels: Mapping[str, Levels]
    cells: Mapping[str, Sequence[Cell]]


def _cells(grid: GridStudy) -> dict[str, list[Cell]]:
    cells: dict[str, list[Cell]] = {}
    for cell in grid.cells:
        if cell.arm is not None:
            cells.setdefault(cell.arm, []).append(cell)
    return cells


def _record(grid: GridStudy, row: Row, arm: Arm | None, known: Known, sources: Any) -> dict[str, Any]:
    about = row.entries[0].raw
    mine = known.levels.get(arm.name, Levels()) if arm else Levels()
    return {
        "kind": about["kind"], "arm": about["name"], "grid": grid.name, "task": grid.task, "isBase": about["is_base"],
        "on": sorted(mine.on), "off": sorted(mine.off), "detail": arm.unlike if arm else "",
        **{key: _amount(row, key, sources.name) for key, _, _ in COLUMNS if key != "status"},
        "status": _status(grid, known.cells.get(arm.name, ()), sources.name) if arm else {"text": ""},
    }  # fmt: skip


def _amount(row: Row, key: str, name: Callable[[tuple[str, ...]], str]) -> dict[str, Any]:
    """text: as shown; value: what it is sorted by; low, high: its interval; from: name of its sources."""
    entry = next((entry for entry in row.entries if key in entry.raw), None)
    if entry is None:
        return {"text": ""}
    length = entry.raw.get(LENGTHS.get(key, ""))
    text = entry.text if length is None or "@" in entry.text else f"{entry.text} @ {length:,}"
    bounds = {side: entry.raw.get(f"{key}_{side}") for side in ("low", "high")}
    full = {"value": entry.raw[key], "from": name(entry.sources), **bounds}
    return {"text": text, **{key: value for key, value in full.items() if value not in (None, "")}}


def _status(grid: GridStudy, cells: Sequence[Cell], name: Callable[[tuple[str, ...]], str]) -> dict[str, Any]:
    """How many of an arm's cells are completed, and what became of the others."""
    counts = {status: sum(str(cell.status) == status for cell in cells) for status in grid.counts}
    done = counts.pop("COMPLETED")
    others = [f"{count} {status.lower()}" for status, count in counts.items() if count]
    text = ", ".join([f"{done} of {len(cells)}", *others])
    return {"text": text, "value": done / max(1, len(cells)), "from": name(tuple(cell.where for cell in cells))}


def levels(grid: GridStudy) -> Mapping[str, Levels]:
    """Arm → its factors: by the grid's designs, else by the name of its variant.

    ``base+windowed`` has windowed on, ``enhanced-windowed`` off; the other arms of the same stem have it the other way.
    """
    parts = {arm.name: _parts(arm.variant) for arm in grid.arms}
    added, removed = dict[str, set[str]](), dict[str, set[str]]()
    for stem, plus, minus in parts.values():
        added.setdefault(stem, set()).update(plus)
        removed.setdefault(stem, set()).update(minus)
    named = {
        arm: Levels(plus | (removed[stem] - minus), minus | (added[stem] - plus))
        for arm, (stem, plus, minus) in parts.items()
    }
    for design in grid.effects:
        for arm, on in design.levels.items():
            named[arm] = Levels(frozenset(on), frozenset(design.factors) - frozenset(on))
    return named


def _parts(variant: str) -> tuple[str, frozenset[str], frozenset[str]]:
    stem, *changes = re.split(r"(?=[+-])", variant)
    plus, minus = (frozenset(change[1:] for change in changes if change[0] == sign) for sign in "+-")
    return stem, plus, minus
