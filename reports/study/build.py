"""Run folders → ``Study``: the one path from files to what is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from ..errors import ReportError
from . import remarks
from .alike import Parted, part
from .arms import arms_of, others_of
from .costs import check_limits, timing_note
from .effects import designs
from .families import families
from .frame import tidy
from .matched import matched_pairs
from .model import Arm, GridStudy, Study
from .predictions import correct_of
from .read import Grid, Status, read_runs
from .references import left_out, references, unlike_data
from .registration import followed

ACCURACY = "accuracy"
UNKNOWN_TASK = "not known yet"


def study(paths: Sequence[Path], mix: Collection[str] = ()) -> Study:
    """Read grid folders, folders that hold cells, and single cells.

    mix: of ``alike.STRATA``, what runs that stand together may differ in.

    Raises ReportError where a path holds no runs, two folders have one name, or a figure is above physics.
    """
    grids = read_runs(paths)
    _refuse_twice(grids)
    for grid in grids:
        check_limits(grid)
    runs = tidy(grids)
    return Study(tuple(_grid(grid, task, grids, runs, mix) for grid in grids for task in _tasks(grid)), runs)


def _refuse_twice(grids: Sequence[Grid]) -> None:
    names = Counter(grid.folder.name for grid in grids)
    twice = [str(grid.folder) for grid in grids if names[grid.folder.name] > 1]
    if twice:
        raise ReportError(f"{', '.join(twice)}: a number is traced to its runs by the name of their folder, so that "
                          "two folders must not have one: rename one, or make a report of each")  # fmt: skip


def _tasks(grid: Grid) -> list[str]:
    known = {cell.task for cell in grid.cells if cell.task is not None}
    return sorted(known or ({grid.floors.task} if grid.floors else {UNKNOWN_TASK}))


def _grid(grid: Grid, task: str, every: Sequence[Grid], runs: pd.DataFrame, mix: Collection[str]) -> GridStudy:
    parted = _part(grid, task, runs, mix)
    metric = grid.plan.primary.metric if grid.plan and grid.plan.primary else ACCURACY
    margin = grid.plan.primary.margin_points / 100 if grid.plan and grid.plan.primary else None
    arms = arms_of(grid, task, parted, metric)
    data_key = _data_key(grid, parted.kept)
    known = references(grid, every, task, data_key)
    correct, unusable = correct_of(grid.folder, arms) if metric == ACCURACY else ({}, [])
    cells = tuple(cell for cell in grid.cells if cell.task in (task, None))
    kept_to, pairs = followed(grid), tuple(matched_pairs(grid))
    return GridStudy(
        name=grid.name,
        folder=grid.folder,
        task=task,
        base=grid.base,
        metric=metric,
        margin=margin,
        arms=arms,
        others=others_of(grid, parted, metric),
        references=known,
        left_out=left_out(grid, task),
        families=families(arms, grid.plan, grid.base, margin, correct),
        effects=designs(arms, grid.plan, margin),
        data_key=data_key,
        warnings=(
            *remarks.warnings(grid, cells, parted.kept), *parted.warnings, *unlike_data(known, data_key), *unusable,
            *remarks.plan_warnings(grid, kept_to, pairs),
        ),
        notes=tuple(remarks.notes(parted.kept, margin, kept_to, pairs)),
        counts={str(status): sum(cell.status is status for cell in cells) for status in Status},
        cells=cells,
        plan=grid.plan,
        registered=kept_to.registered,
        deviations=kept_to.deviations,
        matched=pairs,
        timing=_timing(grid, arms),
    )  # fmt: skip


def _part(grid: Grid, task: str, runs: pd.DataFrame, mix: Collection[str]) -> Parted:
    mine = runs[(runs["folder"] == grid.folder.name) & (runs["task"] == task) & (runs["status"] == Status.COMPLETED)]
    return part(mine, {arm.run_key for arm in grid.planned}, mix)


def _data_key(grid: Grid, runs: pd.DataFrame) -> str:
    """Of the runs; where there is none, of the baselines."""
    return "; ".join(sorted(set(runs["data_key"]) or ({grid.floors.data_key} if grid.floors else set())))


def _timing(grid: Grid, arms: Sequence[Arm]) -> str:
    return timing_note(grid.costs, [speed for arm in arms for speed in arm.speeds.values()])
