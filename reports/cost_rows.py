"""What the cost reports read: measurements of speed and of growth with length, as strict models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from .errors import ReportError, UnreadableFileError
from .schema import Count, Parameters, Positive, Record, load


class Bounded(Record):
    """An estimate and its 95 % interval, where there is one."""

    value: float
    low: float | None
    high: float | None


class Point(Record):
    """A variant at a length; ``of_first`` is its seconds over those of the first variant, round by round."""

    variant: str
    length: Count
    parameters: Parameters
    mode: str
    batch: Count
    threads: Count
    precision: str
    flops: Count
    median_s: Positive
    p20_s: Positive
    p80_s: Positive
    repeats: Count
    growth_bytes: Count
    share_of_floor: Annotated[float, Field(ge=0)]
    of_first: Bounded | None = None


class Fit(Record):
    """Fitted exponents of one variant."""

    variant: str
    flops: Bounded
    seconds: Bounded
    memory: Bounded


class Gap(Record):
    variant: str
    length: Count
    reason: str


class Growth(Record):
    """``costs.json`` of ``experiments.scaling``."""

    device: str
    threads: Count
    ceilings: dict[str, Any]
    rows: tuple[Point, ...]
    missing: tuple[Gap, ...]
    growth: tuple[Fit, ...]

    def at(self, variant: str, length: int) -> Point | None:
        return next((row for row in self.rows if (row.variant, row.length) == (variant, length)), None)

    @property
    def lengths(self) -> list[int]:
        return sorted({row.length for row in self.rows})

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(row.variant for row in self.rows))


def read_growth(folder: Path) -> Growth:
    """Raises ReportError where the folder holds no measurement of growth."""
    try:
        return load(folder / "costs.json", Growth)
    except UnreadableFileError as error:
        raise ReportError(f"{error}; measure it with python -m experiments.scaling") from None
