"""Run folders, sealed ones too → what is in them. Nothing in them is created, changed or deleted here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from swarmformer import records
from swarmformer.records import CONFIG, PLAN, TRIAL, PlannedCell, UnreadableFileError, load

from ..errors import ReportError
from .cell_files import ConfigOrFault, cell_names, is_cell, read_cell, read_config
from .grid import Cell, Grid, Status

DocumentT = TypeVar("DocumentT", bound=records.Document)


def read_runs(paths: Sequence[Path]) -> list[Grid]:
    """Read grid folders, folders that hold cells, and single cells (grouped by the folder they lie in).

    Raises ReportError for a path that is none of these, and for a trial, which tunes and is no evidence.
    """
    asked: dict[Path, set[str] | None] = {}
    for path in (Path(os.path.abspath(p)) for p in paths):
        if is_cell(path):
            only = asked.setdefault(path.parent, set())
            if only is not None:
                only.add(path.name)
        elif _is_grid(path) or cell_names(path):
            asked[path] = None
        else:
            raise ReportError(_nothing_here(path))
    return [read_grid(folder, only) for folder, only in asked.items()]


def read_grid(home: Path, only: set[str] | None = None) -> Grid:
    """Read one folder of cells, or what a grid was sealed into; ``only`` restricts it to the cells of these names.

    Raises ReportError where one of them is a trial, or has a seed that tuned, and where an archive is damaged.
    """
    try:
        folder = records.opened(home)
    except UnreadableFileError as error:
        raise ReportError(str(error)) from error
    bad: list[Cell] = []
    plan = _optional(folder / PLAN, records.Plan, bad)
    tuning = _tuning(folder, bad)
    registrations = _registrations(folder, tuning, bad)
    if plan:
        plan = records.chosen_plan(plan, tuning)
    floors = _optional(folder / records.FLOORS, records.Floors, bad)
    costs = _optional(folder / records.COSTS, records.Costs, bad)
    present = [name for name in cell_names(folder) if only is None or name in only]
    configs = {name: read_config(folder / name / CONFIG) for name in present}
    _refuse_trials(folder, configs)
    wanted, arms = _wanted(plan, present, only)
    cells = [read_cell(folder / name, planned, configs.get(name)) for name, planned in wanted.items()]
    _refuse_seeds(folder, cells, plan, tuning)
    unplanned = tuple(sorted(set(present) - wanted.keys()))
    return Grid(folder, (*cells, *bad), home, arms, unplanned, plan, registrations, floors, costs, tuning)


def _wanted(
    plan: records.Plan | None, present: Sequence[str], only: set[str] | None
) -> tuple[dict[str, PlannedCell | None], tuple[records.PlannedArm, ...]]:
    """Cells to read, by name, and the arms that they are of: those of the plan, or without one all that are there."""
    if plan is None:
        return dict.fromkeys(present), ()
    wanted: dict[str, PlannedCell | None] = {
        cell.cell: cell for cell in plan.cells if only is None or cell.cell in only
    }
    names = {cell.arm for cell in plan.cells if cell.cell in wanted}
    return wanted, tuple(arm for arm in plan.arms if only is None or arm.arm in names)


def _registrations(folder: Path, tuning: records.Tuning | None, bad: list[Cell]) -> tuple[records.Registration, ...]:
    first = _optional(folder / records.REGISTERED, records.Registration, bad)
    later = _optional(folder / records.EXTENDED, records.Extensions, bad)
    found = (first, *(later.registrations if later else ())) if first else ()
    return tuple(one.model_copy(update={"plan": records.chosen_plan(one.plan, tuning)}) for one in found)


def _tuning(folder: Path, bad: list[Cell]) -> records.Tuning | None:
    try:
        return records.read_tuning(folder)
    except UnreadableFileError as error:
        bad.append(_unreadable(folder, error))
        return None


def _refuse_trials(folder: Path, configs: Mapping[str, ConfigOrFault]) -> None:
    """A trial chose values by validation: its score is selected, and it has no test."""
    for name, config in configs.items():
        if (folder / name / TRIAL).exists() or (isinstance(config, records.Config) and config.trial):
            raise ReportError(f"{folder / name}: a trial, which only chose the values that the runs of its grid have, "
                              "and is no evidence. Name the grid's folder: its report shows the trials in the table of "
                              "tuning.")  # fmt: skip


def _refuse_seeds(
    folder: Path, cells: Sequence[Cell], plan: records.Plan | None, tuning: records.Tuning | None
) -> None:
    """A run with a seed that chose the values would be favoured by the choice."""
    seeds = {*(tuning.seeds if tuning else ()), *(plan.tuning.seeds if plan and plan.tuning else ())}
    for cell in cells:
        if cell.result is not None and cell.seed in seeds:
            raise ReportError(f"{cell.where}: seed {cell.seed} tuned the arms of {folder.name}, so that a run with it "
                              "is no evidence; move it away")  # fmt: skip


def _optional(path: Path, model: type[DocumentT], bad: list[Cell]) -> DocumentT | None:
    """Load a file that may be absent; one that is there but unreadable is added to ``bad``."""
    if not path.exists():
        return None
    try:
        return load(path, model)
    except UnreadableFileError as error:
        bad.append(_unreadable(path.parent, error))
        return None


def _unreadable(folder: Path, error: UnreadableFileError) -> Cell:
    """A file of the grid's own that cannot be read."""
    return Cell(Status.UNREADABLE, f"{folder.name}/{error.path.name}", cause=error.reason)


def _is_grid(path: Path) -> bool:
    return any((path / name).is_file() for name in (PLAN, records.ARCHIVE))


def _nothing_here(path: Path) -> str:
    if (path.parent / records.ARCHIVE).is_file():
        return (f"{path}: its grid is sealed into {records.ARCHIVE}; name the grid, or lay it out: swarmformer grid "
                f"unseal {path.parent} DIR")  # fmt: skip
    if not path.is_dir():
        return f"{path}: no such folder. Name a grid folder, a folder that holds cells, or a cell."
    grids = sorted(child.name for child in path.iterdir() if _is_grid(child))
    hint = f" It holds grids; name those: {', '.join(grids)}." if grids else ""
    return f"{path}: neither a grid ({PLAN}) nor a cell ({CONFIG}), and it holds no cells.{hint}"
