"""figures.json of ``experiments.benchmark`` as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from .errors import ReportError, UnreadableFileError
from .schema import Count, Positive, Record, load

CEILING_TOLERANCE = 1.05


class Figure(Record):
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


class Arm(Record):
    group: str
    arm: str
    texts: Count
    median_s: Positive
    p20_s: Positive
    p80_s: Positive
    repeats: Count
    flops: Count | None
    share_of_ceiling: Annotated[float, Field(ge=0)] | None
    load_average: tuple[float, float]


class Gap(Record):
    group: str
    arm: str
    reason: str


class Speed(Record):
    """``figures.json``."""

    device: str
    threads: Count
    allocator: str
    ceilings: dict[str, dict[str, Any]]
    figures: tuple[Figure, ...]
    arms: tuple[Arm, ...]
    grid: dict[str, Any] | None
    missing: tuple[Gap, ...]


def read_speed(folder: Path) -> Speed:
    """Raises ReportError where the file cannot be read, or an arm is faster than the machine."""
    try:
        speed = load(folder / "figures.json", Speed)
    except UnreadableFileError as error:
        raise ReportError(str(error)) from None
    _check(speed, folder)
    return speed


def speed_markdown(folder: Path) -> str:
    """The figures with what they ought to be, the seconds behind them, and the machine.

    Raises ReportError: see ``read_speed``.
    """
    speed = read_speed(folder)
    try:
        revision = load(folder / "environment.json", Environment).code_revision
    except UnreadableFileError as error:
        raise ReportError(str(error)) from None
    return "\n".join([
        f"## {folder.name}", "", f"{machine(speed)}; code {revision}.", "",
        "| figure | ours / against | ratio | p20 to p80 | n | at least | aim | reached |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *(_figure(row) for row in speed.figures), "",
        "| arm | texts a call | median, s | p20 to p80 | n | of the ceiling |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_arm(row) for row in speed.arms), "",
        *(f"Missing: {gap.group}, {gap.arm}: {gap.reason}." for gap in speed.missing),
    ])  # fmt: skip


def compared(usual: Speed, kept: Speed) -> str:
    """Ratios of two measurements side by side: the allocator as it comes, and with freed memory kept by all arms."""
    others = {row.figure: row for row in kept.figures}
    head = "| figure | at least | aim | ratio | with freed memory kept |\n| --- | ---: | ---: | ---: | ---: |"
    rows = [
        f"| {row.figure} | {_goal(row, row.least)} | {_goal(row, row.aim)} | {_spread(row)} | "
        f"{_spread(others[row.figure]) if row.figure in others else ''} |"
        for row in usual.figures
    ]
    return "\n".join([head, *rows])


def _goal(row: Figure, value: float) -> str:
    return f"{'≤ ' if row.growth else ''}{value:g}"


def _spread(row: Figure) -> str:
    missed = "" if row.reached else " **missed**"
    if row.ratio_p20 is None:
        return f"{row.ratio:.2f}{missed}"
    return f"{row.ratio:.2f} ({row.ratio_p20:.2f} to {row.ratio_p80:.2f}){missed}"


class Environment(Record):
    code_revision: str


def _check(speed: Speed, folder: Path) -> None:
    above = [row for row in speed.arms if (row.share_of_ceiling or 0) > CEILING_TOLERANCE]
    if above:
        raise ReportError(f"{folder}: {above[0].group}, {above[0].arm} is faster than its machine; measure again")


def machine(speed: Speed) -> str:
    """Processor, ceilings, load and allocator, in one line."""
    rates = ", ".join(f"{name} {found['matmul_flops_per_s'] / 1e9:.0f}" for name, found in speed.ceilings.items())
    loads = [load for row in speed.arms for load in row.load_average]
    return (
        f"{speed.device}; ceilings {rates} GFLOP/s; load average {min(loads):.2f} to {max(loads):.2f}; "
        f"memory allocator: {speed.allocator}"
    )


def _figure(row: Figure) -> str:
    spread = "" if row.ratio_p20 is None else f"{row.ratio_p20:.2f} to {row.ratio_p80:.2f}"
    cells = (
        row.figure, f"{row.ours} / {row.reference}", f"{row.ratio:.2f}", spread, str(row.rounds),
        _goal(row, row.least), _goal(row, row.aim), "yes" if row.reached else "**no**",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _arm(row: Arm) -> str:
    share = "" if row.share_of_ceiling is None else f"{row.share_of_ceiling:.0%}"
    cells = (
        f"{row.group}: {row.arm}", str(row.texts), f"{row.median_s:.4g}", f"{row.p20_s:.4g} to {row.p80_s:.4g}",
        str(row.repeats), share,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"
