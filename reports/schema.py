"""The files that reports read, as strict models: a file is used whole or not at all.

Only what a report needs is modelled. Keys beyond that are let through, so that writers may add to a
file without a new schema number; a missing key, a wrong type or a number that is not finite is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import UnreadableFileError

SCHEMA = 1

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
FileT = TypeVar("FileT", bound="Record")


class Record(BaseModel):
    """Base of every part of a file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Parameters(Record):
    total: Count
    without_embedding: Count


class Flops(Record):
    """Forward pass of one example, multiply-adds × 2, at the padded ``length`` in tokens."""

    forward: Count
    length: Count


class Metrics(Record):
    accuracy: Share
    precision: Share
    recall: Share
    f1: Share
    loss: float
    n: Annotated[int, Field(gt=0)]


class SplitMetrics(Record):
    validation: Metrics
    test: Metrics


class Truncated(Record):
    """Examples cut at the length limit, by split."""

    train: Count
    validation: Count
    test: Count


class Seconds(Record):
    train: float
    total: float


class PlannedArm(Record):
    arm: str
    variant: str
    run_key: str
    parameters: Parameters
    flops: Flops


class Identity(Record):
    """What says which cell a file belongs to."""

    run_key: str
    arm: str
    seed: int


class PlannedCell(Identity):
    cell: str


DesignKind = Literal["one_in", "one_out", "factorial", "fractional"]
FACTORIALS: tuple[DesignKind, ...] = ("factorial", "fractional")
"""Kinds that main effects are estimated from."""


class Design(Record):
    """Arms that differ by factors. ``levels`` says for each arm which factors are on; ``base`` is what they are held
    against: the arm without any for one_in and factorials, the arm with all for one_out."""

    kind: DesignKind
    base: str
    factors: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    generators: str = ""
    resolution: int | None = None
    """Of a fraction; None where nothing is aliased."""


class Matched(Record):
    """Two arms that are to cost the same; ``ratio`` is arm over control, None where only runs can tell (seconds)."""

    arm: str
    control: str
    quantity: Literal["parameters", "flops", "seconds"]
    tolerance: Positive
    ratio: Positive | None = None


class Primary(Record):
    """What the grid is to decide by: a metric of the test split, and the margin within which arms are equivalent."""

    metric: Literal["accuracy", "f1"]
    margin_points: Positive


class Plan(Record):
    """``plan.json``."""

    grid: str
    base: str | None
    seeds: tuple[int, ...] = ()
    designs: tuple[Design, ...] = ()
    matched: tuple[Matched, ...] = ()
    primary: Primary | None = None
    hash: str = ""
    """SHA-256 over what was planned (designs, matched pairs, primary, seeds, cells); plans older than it have none."""
    arms: tuple[PlannedArm, ...]
    cells: tuple[PlannedCell, ...]

    @model_validator(mode="after")
    def _names_agree(self) -> Plan:
        names = [arm.arm for arm in self.arms]
        if len(set(names)) < len(names):
            raise ValueError("two arms have the same name")
        unknown = ({cell.arm for cell in self.cells} | {self.base} - {None}) - set(names)
        if unknown:
            raise ValueError(f"not among its arms: {', '.join(sorted(map(str, unknown)))}")
        return self


class Registration(Record):
    """``registered.json``: the plan as it was before the first run."""

    hash: str
    registered_at: str
    code_revision: str
    plan: Plan


class TaskSpec(Record):
    name: str


class DataSpec(Record):
    task: TaskSpec


class Spec(Record):
    data: DataSpec


class Config(Identity):
    """``config.json``."""

    spec: Spec


class Failure(Identity):
    """``failure.json``."""

    status: Literal["FAILED"]
    cause: str
    step: int | None


class Result(Identity):
    """``result.json``: the only mark of completion."""

    status: Literal["COMPLETED"]
    variant: str
    task: str
    metrics: SplitMetrics
    parameters: Parameters
    flops: Flops
    data_key: str
    truncated: Truncated
    code_revision: str
    device: str
    seconds: Seconds
    started_at: str = ""
    """UTC, ISO 8601; runs older than this key have none."""


class Floor(Record):
    """What a model must beat; or a ceiling, which knows how the examples are made and cannot be beaten."""

    name: str
    kind: Literal["floor", "ceiling"] = "floor"
    accuracy: Share
    n: Annotated[int, Field(gt=0)]
    split: str
    detail: dict[str, str | int | float] = {}
    """How it was made: C chosen on the validation split, number of features …"""


class Floors(Record):
    """``floors.json``."""

    task: str
    data_key: str
    floors: tuple[Floor, ...]
    left_out: dict[str, str] = {}
    """Floors that the task cannot have, with the reason."""


class Ceilings(Record):
    matmul_flops_per_s: Positive
    copy_bytes_per_s: Positive


class Latency(Record):
    """Seconds of one call on a whole batch, model only: a forward pass, unless ``mode`` says otherwise.

    Rows of a benchmark have ceilings of their own: those of their precision and number of threads.
    """

    run_key: str
    variant: str
    mode: str = "forward"
    precision: str = "fp32"
    threads: Annotated[int, Field(gt=0)] | None = None
    batch: Annotated[int, Field(gt=0)]
    length: Count
    median_s: Positive
    p95_s: Positive
    flops: Count  # of the whole batch
    computed_flops: Count | None = None  # what fast paths leave of them
    least_bytes: Count = 0
    ceiling_flops_per_s: Positive | None = None
    ceiling_bytes_per_s: Positive | None = None
    share_of_ceiling: Annotated[float, Field(ge=0)]
    share_of_floor: Annotated[float, Field(ge=0)] = 0.0


class Gap(Record):
    """A row that was asked for and is not there."""

    variant: str
    reason: str


class Costs(Record):
    """``costs.json``."""

    device: str
    threads: int
    ceilings: Ceilings
    rows: tuple[Latency, ...]
    missing: tuple[Gap, ...] = ()


def load(path: Path, model: type[FileT]) -> FileT:
    """Read one JSON file.

    Raises UnreadableFileError where it cannot be parsed, has another schema number, or is not what
    ``model`` says.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, f"cannot be read as JSON: {_one_line(error)}") from error
    found = raw.get("schema") if isinstance(raw, dict) else None
    if found != SCHEMA:
        raise UnreadableFileError(path, f"schema {found!r}; this report reads schema {SCHEMA}")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise UnreadableFileError(path, _first_problem(error)) from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    more = error.error_count() - 1
    return f"{key}: {first['msg']}" + (f" (and {more} more)" if more else "")


def _one_line(error: Exception) -> str:
    # An OSError's own text holds the absolute path, which differs from machine to machine.
    return str(error.strerror) if isinstance(error, OSError) else " ".join(str(error).split())
