"""The files of a cell that are JSON: ``config.json``, ``result.json``, ``failure.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict

from .base import Count, Document, Record, UnreadableFileError, in_a_line, sha256_of
from .environment import Supplier, supplied_by
from .plan import Flops, Identity, Parameters
from .result_parts import (
    AttentionUse,
    Computing,
    DataFacts,
    Elsewhere,
    EpochFlops,
    Exercise,
    PublishedReading,
    Seconds,
    SplitMetrics,
    Truncated,
    Unlabelled,
)


class RunIdentity(Identity, Document):
    """A cell and the name of its configuration."""

    variant: str = ""


class TaskRecord(Record):
    model_config = ConfigDict(extra="allow")

    name: str

    @property
    def called(self) -> str:
        """What reports call it: its title where it was given one."""
        return str((self.model_extra or {}).get("title") or self.name)


class DataRecord(Record):
    model_config = ConfigDict(extra="allow")

    task: TaskRecord


class Spec(Record):
    """The sections of a resolved specification; ``swarmformer.spec.RunSpec`` is what they mean."""

    model: dict[str, Any] = {}
    data: DataRecord
    train: dict[str, Any] = {}


class Config(RunIdentity):
    """``config.json``: what is run, written before anything is. A ``trial`` only tunes: it is no evidence."""

    spec: Spec
    trial: bool = False


class Failure(RunIdentity):
    """``failure.json``: a run that cannot go on, with the optimiser step (counted from 1) where there was one.

    ``resumable``: the cause lay outside of the run (a full disk, a limit, a killed process); its checkpoint is good.
    """

    status: Literal["FAILED"] = "FAILED"
    cause: str
    step: int | None
    traceback: str = ""
    resumable: bool = False


class Trained(RunIdentity):
    """What is said alike of a finished run and of a finished trial: when, where and how long it was trained.

    ``best_epoch`` counts from 1; ``stopped`` are the epochs after which patience ended a stage of training.
    ``precision``: what was computed in, fp32 or bf16; in runs from before it was recorded it is what their config.json
    asks for. ``data_key`` is what runs that are compared have in common. ``code_hash`` says what counts as the same
    code and ``code_revision`` where it lies in the history; runs from before the hash have none. ``started_at`` is UTC
    in ISO 8601; ``registered`` are the hashes of the plans that were registered by then. ``files``: SHA-256 of its
    curve, and of its predictions where it has any; empty in runs from before it was recorded.
    """

    status: Literal["COMPLETED"] = "COMPLETED"
    task: str
    best_epoch: Count = 0
    epochs: Count = 0
    steps: Count = 0
    stopped: tuple[Count, ...] = ()
    precision: str = ""
    data_key: str
    code_revision: str
    code_hash: str = ""
    suppliers: tuple[Supplier, ...] = ()
    device: str
    started_at: str = ""
    registered: tuple[str, ...] = ()
    seconds: Seconds
    files: dict[str, str] = {}


class Result(Trained):
    """``result.json``: the only mark of completion.

    ``telemetry`` is empty in runs from before there was any, where how far a mechanism was exercised is not known.
    ``encoded_key`` adds to the data's key the seed of a split that every run draws anew and what augmentation added.
    ``computing`` is None in runs from before it was recorded. ``test_readings``: how often the test split was read for
    ``metrics``; None in runs from before it was recorded.
    ``out_of_domain``: metrics of the test splits of other tasks, by what each is called, where they were asked for.
    """

    metrics: SplitMetrics
    parameters: Parameters
    flops: Flops
    epoch_flops: dict[str, EpochFlops] = {}
    fast_paths: bool = True
    attention: tuple[AttentionUse, ...] = ()
    computing: Computing | None = None
    telemetry: tuple[Exercise, ...] = ()
    unlabelled: Unlabelled | None = None
    encoded_key: str = ""
    data: DataFacts | None = None
    test_readings: Count | None = None
    published_reading: PublishedReading | None = None
    out_of_domain: dict[str, Elsewhere] = {}
    truncated: Truncated

    @property
    def track(self) -> str:
        """``L``: learned from the training texts alone; ``U``: from texts without labels too."""
        return "L" if self.unlabelled is None else "U"

    @property
    def code(self) -> str:
        """What must agree for two runs to be of the same code: the hash, or the revision where there is none; and of
        the suppliers of both those that both have (``supplied``)."""
        return self.code_hash or self.code_revision

    @property
    def supplied(self) -> str:
        """``module:hash``, set apart by commas, for whoever outside this library supplied a part."""
        return ",".join(f"{module}:{found}" for module, found in sorted(supplied_by(self.suppliers).items()))


def hashes_of(cell: Path, names: Iterable[str]) -> dict[str, str]:
    """Name → SHA-256 of those files of a cell that are there.

    Raises:
        OSError: one cannot be read.
    """
    present = [name for name in names if (cell / name).exists()]
    return {name: sha256_of(cell / name) for name in present}


def check_file(path: Path, known: Mapping[str, str]) -> None:
    """Raise UnreadableFileError where a file is not the one that a result was written with; older results know none."""
    try:
        changed = path.name in known and hashes_of(path.parent, [path.name]).get(path.name) != known[path.name]
    except OSError as error:
        raise UnreadableFileError(path, in_a_line(error)) from None
    if changed:
        there = "not the file" if path.exists() else "missing: the file"
        raise UnreadableFileError(path, f"{there} that the cell's result was written with; restore it from a copy")
