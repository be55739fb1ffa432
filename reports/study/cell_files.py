"""One cell's folder → where the cell stands, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from swarmformer import records
from swarmformer.records import CONFIG, FAILURE, PLAN, RESULT, TRIAL, PlannedCell, Result, UnreadableFileError, load

from .grid import Cell, Status

DocumentT = TypeVar("DocumentT", bound=records.Document)
ConfigOrFault = records.Config | UnreadableFileError | None
"""What a config.json says, or why it cannot be read; None where there is none."""


def is_cell(path: Path) -> bool:
    """Whether a folder holds a file that makes it a cell, or a trial."""
    try:
        return any((path / name).exists() for name in (CONFIG, RESULT, FAILURE, TRIAL))
    except OSError:  # what it holds cannot be told; that it is planned, a plan tells
        return False


def cell_names(folder: Path) -> list[str]:
    """The cells in a folder, by name."""
    if not folder.is_dir():
        return []
    return sorted(child.name for child in folder.iterdir() if is_cell(child))


def read_cell(folder: Path, planned: PlannedCell | None, config: ConfigOrFault) -> Cell:
    """A cell as it lies there, held against what the plan expects of it; ``config``: its config.json, read already."""
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


def _classify(folder: Path, pending: Cell, planned: PlannedCell | None, read: ConfigOrFault) -> Cell:
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


def read_config(path: Path) -> ConfigOrFault:
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
