"""Run folders → ``Study``: the one path from files to what is shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..errors import ReportError
from . import remarks
from .arms import arms_of, references, references_elsewhere
from .costs import check_costs, timing_note
from .effects import designs
from .families import families
from .model import GridStudy, Study
from .predictions import Read, correct_of
from .read import Grid, Status, read_runs
from .registration import followed, matched_pairs
from .runs import Parted, part, tidy
from .selection import checked_selection, selection_notes, selection_warnings
from .tuning import tuned_arms, tuning_notes, untuned_notes

UNKNOWN_TASK = "not known yet"


def study(paths: Sequence[Path], mix: Collection[str] = ()) -> Study:
    """Read grid folders, folders that hold cells, and single cells.

    mix: of ``runs.STRATA``, what runs that stand together may differ in.

    Raises ReportError where a path holds no runs, two folders have one name, or a figure is above physics.
    """
    grids = read_runs(paths)
    names = Counter(grid.folder.name for grid in grids)
    twice = [str(grid.folder) for grid in grids if names[grid.folder.name] > 1]
    if twice:
        raise ReportError(f"{', '.join(twice)}: a number is traced to its runs by the name of their folder, so that "
                          "two folders must not have one: rename one, or make a report of each")  # fmt: skip
    for grid in grids:
        if grid.costs is not None:
            check_costs(grid.costs, f"costs.json of grid {grid.name!r}")
    runs = tidy(grids)
    return Study(tuple(_grid(grid, task, grids, runs, mix) for grid in grids for task in _tasks(grid)), runs)


def _tasks(grid: Grid) -> list[str]:
    known = {cell.task for cell in grid.cells if cell.task is not None}
    return sorted(known or ({grid.floors.task} if grid.floors else {UNKNOWN_TASK}))


def _grid(grid: Grid, task: str, every: Sequence[Grid], runs: pd.DataFrame, mix: Collection[str]) -> GridStudy:
    parted = _part(grid, task, runs, mix)
    primary, floors = grid.plan.primary if grid.plan else None, grid.floors_of(task)
    metric = primary.metric if primary else "accuracy"
    registration, pairs = followed(grid), tuple(matched_pairs(grid))
    margin = primary.margin_points / 100 if primary and not registration.unregistered else None
    arms, others = arms_of(grid, task, parted, metric)
    data_key = "; ".join(sorted(set(parted.kept["data_key"]) or ({grid.floors.data_key} if grid.floors else set())))
    known = references(grid, every, task, data_key)
    results = {cell.where: cell.result for cell in grid.cells}
    answers = Read(grid.folder)
    correct, unusable = correct_of(answers, arms, results) if metric == "accuracy" else ({}, [])
    cells = tuple(cell for cell in grid.cells if cell.task in (task, None))
    tuned, checked = tuned_arms(grid), checked_selection(grid.folder, cells)
    said = tuning_notes(tuned, grid) if grid.tuning else untuned_notes(cells)
    made = GridStudy(
        name=grid.name,
        folder=grid.folder,
        home=grid.home,
        task=task,
        base=grid.base,
        metric=metric,
        margin=margin,
        arms=arms,
        others=others,
        references=known,
        elsewhere=references_elsewhere(grid, task),
        left_out=tuple(f"{name}: {reason}" for name, reason in floors.left_out.items()) if floors else (),
        families=families(arms, grid.plan, grid.base, margin, correct),
        effects=designs(arms, grid.plan, margin),
        data_key=data_key,
        verdicts=remarks.verdicts(margin, registration.changed),
        warnings=(
            *remarks.warnings(grid, cells, parted.kept), *parted.warnings, *remarks.data_warnings(known, data_key),
            *unusable, *remarks.plan_warnings(grid, registration.deviations, pairs), *selection_warnings(checked),
        ),
        notes=(
            *remarks.notes(parted.kept, registration.said, pairs), *said, *selection_notes(checked),
        ),
        counts={str(status): sum(cell.status is status for cell in cells) for status in Status},
        cells=cells,
        plan=grid.plan,
        registered=registration.said,
        unregistered=registration.unregistered,
        deviations=registration.deviations,
        matched=pairs,
        timing=timing_note(grid.costs, [speed for arm in arms for speed in (*arm.speeds.values(), arm.step) if speed]),
        tuned=tuned,
        answers=answers,
    )  # fmt: skip
    return replace(made, notes=(*made.notes, *remarks.below_baseline(made)))


def _part(grid: Grid, task: str, runs: pd.DataFrame, mix: Collection[str]) -> Parted:
    mine = runs[(runs["folder"] == grid.folder.name) & (runs["task"] == task) & (runs["status"] == Status.COMPLETED)]
    return part(mine, {arm.run_key for arm in grid.planned}, mix)
