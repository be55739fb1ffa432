"""``curve.jsonl``: one line per logged step and per validation, appended as it happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, TypeAdapter, ValidationError

from .base import Count, Record, UnreadableFileError, first_problem, in_a_line
from .names import CURVE
from .result_parts import Metrics
from .run import Result, check_file
from .tuning import Trial


class CurveLine(Record):
    """``step`` counts optimiser steps that are done."""

    kind: str
    step: Count

    def to_line(self) -> str:
        """As it is appended, with the line's end."""
        return json.dumps(self.model_dump(mode="json"), allow_nan=False) + "\n"


class TrainLine(CurveLine):
    """Means since the line before; the largest norm. Parts of the loss and telemetry of layers stand beside them."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    kind: Literal["train"] = "train"
    loss: float
    norm: float
    lr: float


class ValidationLine(CurveLine, Metrics):
    """After epoch ``epoch``, counted from 1. What the objective set by these texts stands beside their metrics."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    kind: Literal["validation"] = "validation"
    epoch: Count


class TestLine(CurveLine, Metrics):
    """A reading of the test split with the weights of epoch ``epoch``: the one that counts, or, as a diagnostic that
    selects on test, one after each epoch."""

    kind: Literal["test", "test_reading"]
    epoch: Count


class StageLine(CurveLine):
    """A line of a stage before the last, named ``stage``: of its training, or of a validation after ``epoch``."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float]

    kind: Literal["stage_train", "stage_validation"]
    stage: str


KINDS: dict[str, type[CurveLine]] = {
    "train": TrainLine,
    "validation": ValidationLine,
    "test": TestLine,
    "test_reading": TestLine,
    "stage_train": StageLine,
    "stage_validation": StageLine,
}
_LINES: Any = TypeAdapter(
    list[Annotated[TrainLine | ValidationLine | TestLine | StageLine, Discriminator("kind")]]
)


def read_curve(cell: Path, done: Result | Trial | None = None) -> list[CurveLine]:
    """The lines of a cell's curve; none where it has none. A last line that is half-written is left out.

    Args:
        done: what the cell came to, where it is at hand: the curve must be the one that it was written with.

    Raises:
        UnreadableFileError: a line that is not one of ``KINDS``; a curve of something else.
    """
    path = cell / CURVE
    if done is not None:
        check_file(path, done.files)
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, in_a_line(error)) from None
    if lines and not _is_json(lines[-1]):
        del lines[-1]
    return _all_parsed(lines) or [_parsed(path, number, line) for number, line in enumerate(lines, 1)]


def _all_parsed(lines: list[str]) -> list[CurveLine]:
    """All at once, which takes half of the time; none where a line is not one of ``KINDS``, which is then found
    one by one."""
    if not all(line.startswith("{") and line.endswith("}") for line in lines):
        return []
    try:
        parsed = _LINES.validate_json(f"[{','.join(lines)}]")
    except ValidationError:
        return []
    return list(parsed) if len(parsed) == len(lines) else []


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _parsed(path: Path, number: int, line: str) -> CurveLine:
    try:
        raw: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreadableFileError(path, f"line {number} is not JSON") from None
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if kind not in KINDS:
        raise UnreadableFileError(path, f"line {number}: kind {kind!r} is none of {', '.join(KINDS)}")
    try:
        return KINDS[kind].model_validate_json(line)
    except ValidationError as error:
        raise UnreadableFileError(path, f"line {number}: {first_problem(error)}") from None
