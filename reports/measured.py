"""Measurements of cost that reports read: figures of speed and of a GPU, and how cost grows with length."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from swarmformer.records import (
    COSTS,
    FIGURES,
    GPU,
    LIMIT_TOLERANCE,
    PROFILE,
    Document,
    GpuBenchmark,
    Measurement,
    Profile,
    ScalingCosts,
    SpeedBenchmark,
    UnreadableFileError,
    load,
)

from .errors import ReportError

RESULTS = Path(__file__).parent / "results"
DocumentT = TypeVar("DocumentT", bound=Document)


def read_scaling(folder: Path) -> ScalingCosts:
    """Raises ReportError where the file cannot be read, or a variant is faster than the machine."""
    scaling = _read(folder / COSTS, ScalingCosts, "experiments.scaling")
    _check(folder, {f"{row.variant} at {row.length}": row.share_of_least for row in scaling.rows})
    return scaling


def read_speed(folder: Path) -> SpeedBenchmark:
    """Raises ReportError where the file cannot be read, or an arm is faster than the machine."""
    speed = _read(folder / FIGURES, SpeedBenchmark, "experiments.benchmark")
    _check(folder, {f"{row.group}, {row.arm}": row.share_of_limit or 0 for row in speed.arms})
    return speed


def read_gpu(folder: Path) -> GpuBenchmark:
    """Raises ReportError where the file cannot be read, or a pass is faster than the card."""
    found = _read(folder / GPU, GpuBenchmark, "experiments.benchmark gpu")
    _check(folder, {row.name: row.share_of_limit for row in found.rows})
    return found


def read_profile(folder: Path) -> Profile:
    """Raises ReportError where the file cannot be read."""
    return _read(folder / PROFILE, Profile, "experiments.speed.profile")


def code_of(measured: Measurement | Profile) -> str:
    """The code that a measurement was made with: ``code d34dd80334d0, PyTorch 2.11.0``."""
    torch = measured.start.packages.get("torch")
    return f"code {measured.start.code_revision}" + (f", PyTorch {torch}" if torch else "")


def _read(path: Path, model: type[DocumentT], command: str) -> DocumentT:
    try:
        return load(path, model)
    except UnreadableFileError as error:
        raise ReportError(f"{error}; measure it with python -m {command}") from None


def _check(folder: Path, shares: dict[str, float]) -> None:
    above = next((name for name, share in shares.items() if share > LIMIT_TOLERANCE), None)
    if above:
        raise ReportError(f"{folder.name}: {above} is faster than its machine; measure again")
