"""Run folders, sealed ones too → what is in them. Nothing in them is created, changed or deleted here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from swarmformer import records
from swarmformer.records import CONFIG, FAILURE, PLAN, RESULT, TRIAL, PlannedCell, Result, UnreadableFileError, load

from ..errors import ReportError

DocumentT = TypeVar("DocumentT", bound=records.Document)
Readable = records.Config | UnreadableFileError | None


class Status(StrEnum):
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    INCOMPLETE = "INCOMPLETE"
    PENDING = "PENDING"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True)
class Cell:
    """One cell, or one file of the grid's own that cannot be read (then without arm and seed)."""

    status: Status
    where: str  # path from the folder above the grid, so that it is the same on every machine
    arm: str | None = None
    seed: int | None = None
    task: str | None = None
    cause: str = ""
    result: Result | None = None
    model: str = ""
    """Name of its architecture; empty where its config.json does not say."""
    rate: float | None = None
    """Its learning rate; None where its config.json does not say."""
    slots: Mapping[str, Any] = field(default_factory=dict)
    """Slot → its component and options; empty where its config.json does not say."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """How it was trained; empty where its config.json does not say."""


@dataclass(frozen=True)
class Grid:
    """One folder of cells.

    folder: where its records are read. home: where it lies, which is another place if it is sealed into one file.
    planned: arms of its plan, where it has a readable one, with the values that ``tuning`` chose.
    unplanned: cell folders that the plan does not name, left out of every table.
    registrations: of the plan before its first run, then of each that only added seeds, with the values chosen.
    """

    folder: Path
    cells: tuple[Cell, ...]
    home: Path
    planned: tuple[records.PlannedArm, ...]
    unplanned: tuple[str, ...]
    plan: records.Plan | None
    registrations: tuple[records.Registration, ...]
    floors: records.Floors | None
    costs: records.Costs | None
    tuning: records.Tuning | None = None

    @property
    def name(self) -> str:
        return self.plan.grid if self.plan else self.folder.name

    @property
    def base(self) -> str | None:
        return self.plan.base if self.plan else None

    @property
    def registration(self) -> records.Registration | None:
        """The first."""
        return self.registrations[0] if self.registrations else None

    def floors_of(self, task: str) -> records.Floors | None:
        return self.floors if self.floors and self.floors.task == task else None


def read_runs(paths: Sequence[Path]) -> list[Grid]:
    """Read grid folders, folders that hold cells, and single cells (grouped by the folder they lie in).

    Raises ReportError for a path that is none of these, and for a trial, which tunes and is no evidence.
    """
    asked: dict[Path, set[str] | None] = {}
    for path in (Path(os.path.abspath(p)) for p in paths):
        if _is_cell(path):
            only = asked.setdefault(path.parent, set())
            if only is not None:
                only.add(path.name)
        elif _is_grid(path) or _cell_names(path):
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
    present = [name for name in _cell_names(folder) if only is None or name in only]
    configs = {name: _config(folder / name / CONFIG) for name in present}
    _refuse_trials(folder, configs)
    wanted: dict[str, PlannedCell | None] = dict.fromkeys(present)
    arms = plan.arms if plan else ()
    if plan:
        wanted = {cell.cell: cell for cell in plan.cells if only is None or cell.cell in only}
        names = {cell.arm for cell in plan.cells if cell.cell in wanted}
        arms = tuple(arm for arm in plan.arms if only is None or arm.arm in names)
    cells = [_read_cell(folder / name, planned, configs.get(name)) for name, planned in wanted.items()]
    _refuse_seeds(folder, cells, plan, tuning)
    unplanned = tuple(sorted(set(present) - wanted.keys()))
    return Grid(folder, (*cells, *bad), home, arms, unplanned, plan, registrations, floors, costs, tuning)


def _registrations(folder: Path, tuning: records.Tuning | None, bad: list[Cell]) -> tuple[records.Registration, ...]:
    first = _optional(folder / records.REGISTERED, records.Registration, bad)
    later = _optional(folder / records.EXTENDED, records.Extensions, bad)
    found = (first, *(later.registrations if later else ())) if first else ()
    return tuple(one.model_copy(update={"plan": records.chosen_plan(one.plan, tuning)}) for one in found)


def _tuning(folder: Path, bad: list[Cell]) -> records.Tuning | None:
    try:
        return records.read_tuning(folder)
    except UnreadableFileError as error:
        bad.append(Cell(Status.UNREADABLE, f"{folder.name}/{error.path.name}", cause=error.reason))
        return None


def _refuse_trials(folder: Path, configs: Mapping[str, Readable]) -> None:
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


def _read_cell(folder: Path, planned: PlannedCell | None, config: Readable) -> Cell:
    where = f"{folder.parent.name}/{folder.name}"
    arm, seed = (planned.arm, planned.seed) if planned else (None, None)
    pending = Cell(Status.PENDING, where, arm, seed, cause="not started")
    if planned and not planned.run_key:
        return replace(pending, cause="its values are not chosen yet")
    try:
        cell = _classify(folder, pending, planned, config)
        model, train = ((config.spec.model, config.spec.train) if isinstance(config, records.Config) else ({}, {}))
        return replace(
            cell,
            result=_with_precision(cell.result, train),
            model=str(model.get("name", "")),
            slots={slot: chosen for slot, chosen in model.items() if isinstance(chosen, dict) and "name" in chosen},
            rate=_rate(train),
            train=train,
        )
    except UnreadableFileError as error:
        return replace(pending, status=Status.UNREADABLE, where=f"{where}/{error.path.name}", cause=error.reason)
    except OSError as error:  # somebody else's folder, or a disk that fails
        return replace(pending, status=Status.UNREADABLE, cause=f"cannot be read: {error.strerror}")


def _classify(folder: Path, pending: Cell, planned: PlannedCell | None, read: Readable) -> Cell:
    where = pending.where
    if (folder / RESULT).exists():
        result = _own(folder / RESULT, load(folder / RESULT, Result), planned)
        return Cell(Status.COMPLETED, where, result.arm, result.seed, result.task, result=result)
    if isinstance(read, UnreadableFileError):
        raise read
    config = read and _own(folder / CONFIG, read, planned)
    task = config.spec.data.task.called if config else None
    if (folder / FAILURE).exists():
        failure = _own(folder / FAILURE, load(folder / FAILURE, records.Failure), planned)
        at = "" if failure.step is None else f" (step {failure.step})"
        return Cell(Status.FAILED, where, failure.arm, failure.seed, task, cause=failure.cause + at)
    if config is None:
        return pending
    return Cell(Status.INCOMPLETE, where, config.arm, config.seed, task, cause="no result: still running, or killed")


def _config(path: Path) -> Readable:
    """A config.json, or why it cannot be read: one that is damaged beside a good result costs no more than that."""
    if not path.exists():
        return None
    try:
        return load(path, records.Config)
    except UnreadableFileError as error:
        return error


def _with_precision(result: records.Result | None, train: Mapping[str, Any]) -> records.Result | None:
    """With the precision that was asked for, where the result is too old to say what it ran in."""
    if result is None or result.precision:
        return result
    return result.model_copy(update={"precision": str(train.get("precision", "fp32"))})


def _rate(train: Mapping[str, Any]) -> float | None:
    """The learning rate, which older versions wrote beside the optimiser."""
    optimiser = train.get("optimiser")
    rate = optimiser.get("lr") if isinstance(optimiser, dict) else train.get("lr")
    return float(rate) if isinstance(rate, int | float) else None


def _own(path: Path, record: DocumentT, planned: PlannedCell | None) -> DocumentT:
    """A cell's file, refused where it is another run's than the plan expects."""
    for key in ("run_key", "arm", "seed") if planned else ():
        found, expected = getattr(record, key), getattr(planned, key)
        if found != expected:
            raise UnreadableFileError(path, f"{key} is {found!r}, but {PLAN} expects {expected!r}")
    return record


def _optional(path: Path, model: type[DocumentT], bad: list[Cell]) -> DocumentT | None:
    """Load a file that may be absent; one that is there but unreadable is added to ``bad``."""
    if not path.exists():
        return None
    try:
        return load(path, model)
    except UnreadableFileError as error:
        where = f"{path.parent.name}/{path.name}"
        bad.append(Cell(Status.UNREADABLE, where, cause=error.reason))
        return None


def _is_grid(path: Path) -> bool:
    return any((path / name).is_file() for name in (PLAN, records.ARCHIVE))


def _is_cell(path: Path) -> bool:
    try:
        return any((path / name).exists() for name in (CONFIG, RESULT, FAILURE, TRIAL))
    except OSError:  # what it holds cannot be told; that it is planned, a plan tells
        return False


def _cell_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(child.name for child in folder.iterdir() if _is_cell(child))


def _nothing_here(path: Path) -> str:
    if (path.parent / records.ARCHIVE).is_file():
        return (f"{path}: its grid is sealed into {records.ARCHIVE}; name the grid, or lay it out: swarmformer grid "
                f"unseal {path.parent} DIR")  # fmt: skip
    if not path.is_dir():
        return f"{path}: no such folder. Name a grid folder, a folder that holds cells, or a cell."
    grids = sorted(child.name for child in path.iterdir() if _is_grid(child))
    hint = f" It holds grids; name those: {', '.join(grids)}." if grids else ""
    return f"{path}: neither a grid ({PLAN}) nor a cell ({CONFIG}), and it holds no cells.{hint}"
