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
from .grid import Grid, Status
from .majority import majority_warnings
from .model import GridStudy, Study
from .predictions import Read, correct_of
from .read import read_runs
from .registration import followed, looks_at, matched_pairs
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
    metric, kept_to = primary.metric if primary else "accuracy", followed(grid)
    margin = primary.margin_points / 100 if primary and not kept_to.unregistered else None
    arms, others = arms_of(grid, task, parted, metric)
    data_key = "; ".join(sorted(set(parted.kept["data_key"]) or ({grid.floors.data_key} if grid.floors else set())))
    answers, results = Read(grid.folder), {cell.where: cell.result for cell in grid.cells}
    looks = looks_at(grid)
    correct, unusable = correct_of(answers, arms, results) if metric == "accuracy" else ({}, [])
    made = GridStudy(
        name=grid.name, folder=grid.folder, home=grid.home, task=task, base=grid.base, plan=grid.plan,
        metric=metric, margin=margin, followed=kept_to, matched=tuple(matched_pairs(grid)),
        cells=tuple(cell for cell in grid.cells if cell.task in (task, None)), data_key=data_key, answers=answers,
        arms=arms, others=others, tuned=tuned_arms(grid),
        references=references(grid, every, task, data_key), elsewhere=references_elsewhere(grid, task),
        left_out=tuple(f"{name}: {reason}" for name, reason in floors.left_out.items()) if floors else (),
        families=families(arms, grid.plan, grid.base, margin, correct, looks), looks=looks,
        effects=designs(arms, grid.plan, margin, looks),
    )  # fmt: skip
    return _in_words(made, grid, parted, unusable)


def _in_words(made: GridStudy, grid: Grid, parted: Parted, unusable: Sequence[str]) -> GridStudy:
    """The same with what is to be said of it; ``unusable``: of predictions."""
    kept_to, checked = made.followed, checked_selection(grid.folder, made.cells)
    warnings = (
        *remarks.warnings(grid, made.cells, parted.kept), *parted.warnings,
        *remarks.data_warnings(made.references, made.data_key), *unusable,
        *remarks.plan_warnings(grid, kept_to.deviations, made.matched), *selection_warnings(checked),
        *majority_warnings(made),
    )  # fmt: skip
    notes = (
        *remarks.notes(parted.kept, kept_to.said, made.matched),
        *(tuning_notes(made.tuned, grid) if grid.tuning else untuned_notes(made.cells)),
        *selection_notes(checked), *remarks.below_baseline(made),
    )  # fmt: skip
    timed = [speed for arm in made.arms for speed in (*arm.speeds.values(), arm.step) if speed]
    return replace(
        made, verdicts=remarks.verdicts(made.margin, kept_to.changed), warnings=warnings, notes=notes,
        timing=timing_note(grid.costs, timed),
    )  # fmt: skip


def _part(grid: Grid, task: str, runs: pd.DataFrame, mix: Collection[str]) -> Parted:
    mine = runs[(runs["folder"] == grid.folder.name) & (runs["task"] == task) & (runs["status"] == Status.COMPLETED)]
    return part(mine, {arm.run_key for arm in grid.planned}, mix)
