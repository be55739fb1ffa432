"""Measurements of cost that reports read: figures of speed, and growth with length."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field

from swarmformer.records import Count, NotNegative, Parameters, Positive, Record, UnreadableFileError, load
from swarmformer.records.costs import Limits, Measured

from .errors import ReportError
from .study.costs import TOLERANCE

RESULTS = Path(__file__).parent / "results"
MeasuredT = TypeVar("MeasuredT", bound=Measured)


class Bounded(Record):
    """An estimate and its 95 % interval, where there is one."""

    value: float
    low: float | None
    high: float | None


class Point(Record):
    """A variant at a length; ``of_first`` is its seconds over those of the first variant, round by round.

    Of a text in pieces: how many tokens a ``piece`` has, the processor's time for a token, the peak of the whole
    process, and the machine's load before and after.
    """

    variant: str
    length: Count
    parameters: Parameters
    mode: str
    batch: Count
    precision: str
    flops: Count
    median_s: Positive
    p20_s: Positive
    p80_s: Positive
    repeats: Count
    growth_bytes: Count
    share_of_least: NotNegative
    of_first: Bounded | None = None
    piece: Count = 0
    cpu_us_per_token: Positive | None = None
    peak_bytes: Count = 0
    load_average: tuple[NotNegative, NotNegative] = (0.0, 0.0)


class Fit(Record):
    """Fitted exponents of one variant; none of memory where a length took none that could be seen."""

    variant: str
    flops: Bounded
    seconds: Bounded
    memory: Bounded | None = None


class Gap(Record):
    """What was asked for and is not there: a variant at a length, or an arm of a group."""

    variant: str = ""
    length: Count = 0
    group: str = ""
    arm: str = ""
    reason: str


class Growth(Measured):
    """``costs.json`` of ``experiments.scaling``."""

    device: str
    limits: Limits
    rows: tuple[Point, ...]
    missing: tuple[Gap, ...]
    growth: tuple[Fit, ...]

    def at(self, variant: str, length: int) -> Point | None:
        return next((row for row in self.rows if (row.variant, row.length) == (variant, length)), None)

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(row.variant for row in self.rows))


class Figure(Record):
    """A ratio of two arms and what it ought to be."""

    figure: str
    reference: str
    ours: str
    ratio: Positive
    ratio_p20: Positive | None
    ratio_p80: Positive | None
    rounds: Count
    least: Positive
    aim: Positive
    growth: bool
    reached: bool


class TimedArm(Record):
    group: str
    arm: str
    texts: Count
    median_s: Positive
    p20_s: Positive
    p80_s: Positive
    repeats: Count
    flops: Count | None
    share_of_limit: NotNegative | None
    load_average: tuple[float, float]


class Speed(Measured):
    """``figures.json`` of ``experiments.benchmark``."""

    device: str
    allocator: str
    limits: dict[str, Limits]
    figures: tuple[Figure, ...]
    arms: tuple[TimedArm, ...]
    missing: tuple[Gap, ...]

    @property
    def machine(self) -> str:
        """Processor, limits, load and allocator, in one line."""
        rates = ", ".join(f"{name} {limits.matmul_flops_per_s / 1e9:.0f}" for name, limits in self.limits.items())
        loads = [load for row in self.arms for load in row.load_average]
        return (
            f"{self.device}; limits {rates} GFLOP/s; load average {min(loads):.2f} to {max(loads):.2f}; memory "
            f"allocator: {self.allocator}"
        )


class GpuCase(Record):
    """A pass of a published size on a GPU."""

    variant: str
    mode: str
    computes_in: str
    way: Literal["eager", "compiled", "captured"]

    @property
    def name(self) -> str:
        return f"{self.variant}, {self.mode}, {self.computes_in}, {self.way}"


class GpuPass(GpuCase):
    """As measured, beside what its authors state of it."""

    batch: Count
    length: Count
    median_s: Positive
    p20_s: Positive
    p80_s: Positive
    repeats: Count
    load_average: tuple[NotNegative, NotNegative]
    share_of_limit: NotNegative
    stated_s: Positive | None
    stated_bytes: Positive
    peak_bytes: Count
    epoch_s: Positive | None


class Untimed(GpuCase):
    """A pass that was asked for and is not there."""

    reason: str


class Card(Record):
    name: str
    driver: str
    cuda: str


class GpuFigures(Measured):
    """``gpu.json`` of ``experiments.benchmark gpu``."""

    gpu: Card
    limits: dict[str, Limits]
    rows: tuple[GpuPass, ...]
    missing: tuple[Untimed, ...]


class Started(Record):
    code_revision: str
    packages: dict[str, str | None] = Field(default_factory=dict)


class Environment(Measured):
    """``environment.json`` beside a measurement, of its last start; schema 1 had no other."""

    starts: tuple[Started, ...]

    @classmethod
    def upgraded(cls, raw: dict[str, Any], schema: int) -> dict[str, Any]:
        return {"schema": schema, "starts": [raw]} if schema == 1 else raw


def read_growth(folder: Path) -> Growth:
    """Raises ReportError where the folder holds no measurement of growth, or a variant is faster than the machine."""
    growth = _read(folder / "costs.json", Growth, "experiments.scaling")
    _check(folder, {f"{row.variant} at {row.length}": row.share_of_least for row in growth.rows})
    return growth


def read_speed(folder: Path) -> Speed:
    """Raises ReportError where the file cannot be read, or an arm is faster than the machine."""
    speed = _read(folder / "figures.json", Speed, "experiments.benchmark")
    _check(folder, {f"{row.group}, {row.arm}": row.share_of_limit or 0 for row in speed.arms})
    return speed


def read_gpu(folder: Path) -> GpuFigures:
    """Raises ReportError where the file cannot be read, or a pass is faster than the card."""
    found = _read(folder / "gpu.json", GpuFigures, "experiments.benchmark gpu")
    _check(folder, {row.name: row.share_of_limit for row in found.rows})
    return found


def code_of(folder: Path) -> str:
    """The code that a measurement was made with: ``code d34dd80334d0, PyTorch 2.11.0``.

    Raises ReportError where that was not recorded.
    """
    started = _read(folder / "environment.json", Environment, "experiments.benchmark").starts[-1]
    torch = started.packages.get("torch")
    return f"code {started.code_revision}" + (f", PyTorch {torch}" if torch else "")


def _read(path: Path, model: type[MeasuredT], command: str) -> MeasuredT:
    try:
        return load(path, model)
    except UnreadableFileError as error:
        raise ReportError(f"{error}; measure it with python -m {command}") from None


def _check(folder: Path, shares: dict[str, float]) -> None:
    above = next((name for name, share in shares.items() if share > TOLERANCE), None)
    if above:
        raise ReportError(f"{folder.name}: {above} is faster than its machine; measure again")
