"""Grids → one table per (grid, task): rows that say what was measured, on what, how sure it is, and from which runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import pandas as pd

from . import warn
from .costs import check_ceilings, latency_at
from .evidence import STRATA
from .frame import MEASURES, tidy
from .read import PLAN, Cell, Grid, Status
from .rows import Row, Table
from .schema import Flops, Latency, PlannedArm, Result
from .statistics.interval import mean_interval, paired_difference, wilson

BATCHES = (1, 32)


def build_tables(grids: Sequence[Grid], mix: Collection[str] = ()) -> list[Table]:
    """One table per grid and task.

    ``mix`` names the strata ("data", "code", "device") that may differ within a row. Raises ReportError
    where a latency is faster than the machine's ceiling allows.
    """
    for grid in grids:
        check_ceilings(grid)
    return [_build(grid, task, mix) for grid in grids for task in _tasks(grid)]


def _tasks(grid: Grid) -> list[str]:
    known = {cell.task for cell in grid.cells if cell.task is not None}
    if not known and grid.floors:
        known = {grid.floors.task}
    return sorted(known) or ["task not known yet"]


def _build(grid: Grid, task: str, mix: Collection[str]) -> Table:
    strata = [column for name, column in STRATA.items() if name not in mix]
    runs = tidy(cell for cell in grid.cells if cell.task == task)
    unique = runs.drop_duplicates(["arm", "run_key", "seed", *strata])
    rows: list[Row] = []
    for arm in _arm_names(grid, task):
        mine = unique[unique["arm"] == arm]
        groups = [group for _, group in mine.groupby(["run_key", *strata], sort=True)]
        rows += [_arm_row(grid, group, unique, strata) for group in groups] or [_missing_row(grid, arm)]
    floors = _floor_rows(grid, task)
    warnings = [
        *warn.unplanned(grid),
        *warn.repeated(runs, unique),
        *warn.revisions(unique),
        *warn.strata(unique, STRATA, mix),
        *warn.unpaired(rows, grid.base),
        *warn.floor_data(rows, floors),
    ]
    every, left_out = (*rows, *floors), _left_out(grid, task)
    return Table(grid.name, grid.folder.name, task, grid.base, every, tuple(warnings), grid.costs, left_out)


def _arm_names(grid: Grid, task: str) -> list[str]:
    """Arms of this task, the plan's order first; an arm whose task is not known yet is in every table."""
    tasks: dict[str, set[str]] = {arm.arm: set() for arm in grid.planned}
    for cell in sorted(grid.cells, key=lambda cell: cell.arm or ""):
        if cell.arm is not None:
            tasks.setdefault(cell.arm, set()).update({cell.task} if cell.task is not None else set())
    return [arm for arm, known in tasks.items() if task in known or not known]


def _arm_row(grid: Grid, group: pd.DataFrame, runs: pd.DataFrame, strata: list[str]) -> Row:
    first: Result = group["result"].iloc[0]
    is_base = first.arm == grid.base
    base = runs[runs["arm"] == grid.base]
    for column in strata:
        base = base[base[column] == getattr(first, column)]
    paired = base[base["seed"].isin(group["seed"])]
    return Row(
        kind="arm",
        name=first.arm,
        n=len(group),
        accuracy=mean_interval(group["accuracy"].tolist()),
        is_base=is_base,
        difference=None if is_base else paired_difference(_by_seed(group), _by_seed(base)),
        run_key=first.run_key,
        data_key=_all(group["data_key"]),
        code_revision=_all(group["code_revision"]),
        device=_all(group["device"]),
        variant=first.variant,
        seeds=tuple(sorted(group["seed"].tolist())),
        means={name: float(group[name].mean()) for name in MEASURES},
        parameters=first.parameters,
        flops=first.flops,
        latency=_latency(grid, first.run_key, first.flops),
        test_examples=first.metrics.test.n,
        truncated=first.truncated.model_dump(),
        sources=tuple(group["where"]),
        base_sources=() if is_base else tuple(paired["where"]),
    )


def _missing_row(grid: Grid, arm: str) -> Row:
    plan: dict[str, PlannedArm] = {planned.arm: planned for planned in grid.planned}
    if arm not in plan:
        return Row("arm", arm)
    it = plan[arm]
    return Row(
        kind="arm",
        name=arm,
        is_base=arm == grid.base,
        run_key=it.run_key,
        variant=it.variant,
        parameters=it.parameters,
        flops=it.flops,
        latency=_latency(grid, it.run_key, it.flops),
        sources=(f"{grid.folder.name}/{PLAN}",),
    )


def unique_titles(tables: Sequence[Table]) -> list[str]:
    """``grid demo, task listops``; numbered where several folders hold grids of one name."""
    plain = [f"grid {table.grid}, task {table.task}" for table in tables]
    total, seen = Counter(plain), Counter[str]()
    titles = []
    for title in plain:
        seen[title] += 1
        titles.append(f"{title} ({seen[title]} of {total[title]})" if total[title] > 1 else title)
    return titles


def _left_out(grid: Grid, task: str) -> tuple[str, ...]:
    if grid.floors is None or grid.floors.task != task:
        return ()
    return tuple(f"{name}: {reason}" for name, reason in grid.floors.left_out.items())


def _floor_rows(grid: Grid, task: str) -> list[Row]:
    """Floors first, then ceilings."""
    if grid.floors is None or grid.floors.task != task:
        return []
    key = grid.floors.data_key
    return [
        Row(
            kind=floor.kind,
            name=floor.name if floor.split == "test" else f"{floor.name} ({floor.split} split)",
            n=floor.n,
            accuracy=wilson(floor.accuracy, floor.n),
            data_key=key,
            detail=", ".join(f"{key} {value}" for key, value in floor.detail.items()),
            sources=(f"{grid.folder.name}/floors.json",),
        )
        for floor in sorted(grid.floors.floors, key=lambda floor: floor.kind == "ceiling")
    ]


def _latency(grid: Grid, run_key: str, flops: Flops) -> dict[int, Latency]:
    found = {batch: latency_at(grid.costs, run_key, batch, flops.length) for batch in BATCHES}
    return {batch: latency for batch, latency in found.items() if latency is not None}


def _by_seed(runs: pd.DataFrame) -> dict[int, float]:
    return dict(zip(runs["seed"].tolist(), runs["accuracy"].tolist(), strict=True))


def _all(column: pd.Series) -> str:
    return "; ".join(sorted(set(column)))


def count_statuses(cells: Sequence[Cell]) -> dict[Status, int]:
    """How many of each status, all five always named."""
    return {status: sum(cell.status is status for cell in cells) for status in Status}
