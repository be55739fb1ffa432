"""Run folders → what is in them. Nothing is created, changed or deleted here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from swarmformer.records import (
    CONFIG,
    COSTS,
    FAILURE,
    FLOORS,
    PLAN,
    REGISTERED,
    RESULT,
    Config,
    Costs,
    Document,
    Failure,
    Floors,
    Identity,
    Plan,
    PlannedArm,
    PlannedCell,
    Registration,
    Result,
    UnreadableFileError,
    load,
)

from ..errors import ReportError

DocumentT = TypeVar("DocumentT", bound=Document)


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


@dataclass(frozen=True)
class Grid:
    """One folder of cells; ``planned`` is empty and ``base`` None where it has no readable plan."""

    name: str
    base: str | None
    planned: tuple[PlannedArm, ...]
    cells: tuple[Cell, ...]
    floors: Floors | None
    costs: Costs | None
    unplanned: tuple[str, ...]  # cell folders that the plan does not name; left out of every table
    folder: Path
    plan: Plan | None = None
    registration: Registration | None = None


def read_runs(paths: Sequence[Path]) -> list[Grid]:
    """Read grid folders, folders that hold cells, and single cells (grouped by the folder they lie in).

    Raises ReportError for a path that is none of these.
    """
    asked: dict[Path, set[str] | None] = {}
    for path in (Path(os.path.abspath(p)) for p in paths):
        if _is_cell(path):
            only = asked.setdefault(path.parent, set())
            if only is not None:
                only.add(path.name)
        elif (path / PLAN).is_file() or _cell_names(path):
            asked[path] = None
        else:
            raise ReportError(_nothing_here(path))
    return [read_grid(folder, only) for folder, only in asked.items()]


def read_grid(folder: Path, only: set[str] | None = None) -> Grid:
    """Read one folder of cells; ``only`` restricts it to the cells of these names."""
    bad: list[Cell] = []
    plan = _optional(folder / PLAN, Plan, bad)
    floors = _optional(folder / FLOORS, Floors, bad)
    costs = _optional(folder / COSTS, Costs, bad)
    registration = _optional(folder / REGISTERED, Registration, bad)
    present = [name for name in _cell_names(folder) if only is None or name in only]
    if plan is None:
        cells = [_read_cell(folder / name, None) for name in present]
        return Grid(folder.name, None, (), (*cells, *bad), floors, costs, (), folder, None, registration)
    wanted = [cell for cell in plan.cells if only is None or cell.cell in only]
    cells = [_read_cell(folder / cell.cell, cell) for cell in wanted]
    unplanned = tuple(sorted(set(present) - {cell.cell for cell in wanted}))
    arms = tuple(arm for arm in plan.arms if only is None or arm.arm in {cell.arm for cell in wanted})
    read = (*cells, *bad)
    return Grid(plan.grid, plan.base, arms, read, floors, costs, unplanned, folder, plan, registration)


def _read_cell(folder: Path, planned: PlannedCell | None) -> Cell:
    where = f"{folder.parent.name}/{folder.name}"
    arm, seed = (planned.arm, planned.seed) if planned else (None, None)
    try:
        return replace(_classify(folder, where, planned), model=_model(folder / CONFIG))
    except UnreadableFileError as error:
        return Cell(Status.UNREADABLE, f"{where}/{error.path.name}", arm, seed, cause=error.reason)


def _classify(folder: Path, where: str, planned: PlannedCell | None) -> Cell:
    if (folder / RESULT).exists():
        result = _load_own(folder / RESULT, Result, planned)
        return Cell(Status.COMPLETED, where, result.arm, result.seed, result.task, result=result)
    config = _load_own(folder / CONFIG, Config, planned) if (folder / CONFIG).exists() else None
    task = config.spec.data.task.name if config else None
    if (folder / FAILURE).exists():
        failure = _load_own(folder / FAILURE, Failure, planned)
        at = "" if failure.step is None else f" (step {failure.step})"
        return Cell(Status.FAILED, where, failure.arm, failure.seed, task, cause=failure.cause + at)
    if config is None:
        return _pending(where, planned)
    return Cell(Status.INCOMPLETE, where, config.arm, config.seed, task, cause="no result: still running, or killed")


def _model(path: Path) -> str:
    """Name of the architecture; a config.json that is damaged beside a good result costs no more than that."""
    try:
        return str(load(path, Config).spec.model.get("name", ""))
    except UnreadableFileError:
        return ""


def _pending(where: str, planned: PlannedCell | None) -> Cell:
    arm, seed = (planned.arm, planned.seed) if planned else (None, None)
    return Cell(Status.PENDING, where, arm, seed, cause="not started")


def _load_own(path: Path, model: type[DocumentT], planned: Identity | None) -> DocumentT:
    """Load a cell's file and refuse it where it is another run's than the plan expects."""
    record = load(path, model)
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


def _is_cell(path: Path) -> bool:
    return any((path / name).exists() for name in (CONFIG, RESULT, FAILURE))


def _cell_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(child.name for child in folder.iterdir() if _is_cell(child))


def _nothing_here(path: Path) -> str:
    if not path.is_dir():
        return f"{path}: no such folder. Name a grid folder, a folder that holds cells, or a cell."
    grids = sorted(child.name for child in path.iterdir() if (child / PLAN).is_file())
    hint = f" It holds grids; name those: {', '.join(grids)}." if grids else ""
    return f"{path}: neither a grid ({PLAN}) nor a cell ({CONFIG}), and it holds no cells.{hint}"
