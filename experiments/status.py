"""Where a cell stands, told by its files. Imports no torch, so that looking costs nothing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from swarmformer import records
from swarmformer.records import CONFIG, FAILURE, RESULT, TRIAL, UnreadableFileError

from .owner import LOCK, is_locked


class Status(StrEnum):
    """Where a cell stands; derived from its files at every look, never stored."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    INTERRUPTED = "INTERRUPTED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    UNREADABLE = "UNREADABLE"


def done_of(folder: Path) -> records.Result | records.Trial | None:
    """What a cell that is finished left; None where it is not.

    Raises:
        UnreadableFileError: damaged.
    """
    if (folder / RESULT).exists():
        return records.load(folder / RESULT, records.Result)
    return records.load(folder / TRIAL, records.Trial) if (folder / TRIAL).exists() else None


def glance(folder: Path) -> tuple[Status, str]:
    """Status of a cell and, where something is wrong, why; its configuration is read, but not resolved."""
    try:
        if done_of(folder) is not None:
            return Status.COMPLETED, ""
        if (folder / FAILURE).exists():
            return Status.FAILED, records.load(folder / FAILURE, records.Failure).cause
        if not (folder / CONFIG).exists():
            return Status.PENDING, ""
        records.load(folder / CONFIG, records.Config)
        return (Status.RUNNING, "") if is_locked(folder) else (Status.INTERRUPTED, "")
    except UnreadableFileError as error:
        return Status.UNREADABLE, str(error)
    except OSError as error:
        return Status.UNREADABLE, f"{folder / LOCK}: cannot be opened: {error.strerror}"
