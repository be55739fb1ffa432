"""figures.json as tables in the terminal."""

from __future__ import annotations

from pathlib import Path

from swarmformer.records import SpeedBenchmark, SpeedRatio, TimedArm, load

from ..progress import print_tables

HEAD = ("figure", "against", "ratio", "p20 to p80", "n", "at least", "aim", "reached")
ARM_HEAD = ("arm", "texts", "median, s", "p20", "p80", "n", "of limit")


def _figure_cells(row: SpeedRatio) -> tuple[str, ...]:
    sign = "≤ " if row.growth else ""
    spread = "" if row.ratio_p20 is None else f"{row.ratio_p20:.2f} to {row.ratio_p80:.2f}"
    return (
        row.figure, f"{row.ours} / {row.reference}", f"{row.ratio:.2f}", spread, str(row.rounds),
        f"{sign}{row.least:g}", f"{sign}{row.aim:g}", "yes" if row.reached else "no",
    )  # fmt: skip


def print_figures(path: Path) -> None:
    """Print the figures, the seconds of every arm, the limits and what is missing."""
    speed = load(path, SpeedBenchmark)
    figures = (HEAD, [_figure_cells(row) for row in speed.figures])
    arms = (ARM_HEAD, [_arm_cells(row) for row in speed.arms])
    print_tables([figures, arms], [*notes(speed), str(path)])


def notes(speed: SpeedBenchmark) -> list[str]:
    """Machine, limits, load, allocator, and what is missing."""
    rates = ", ".join(f"{word} {found.matmul_flops_per_s / 1e9:.0f}" for word, found in speed.limits.items())
    copy = max(found.copy_bytes_per_s for found in speed.limits.values())
    loads = [each for row in speed.arms for each in row.load_average]
    lines = [f"{speed.device}; limits: {rates} GFLOP/s, copying {copy / 1e9:.1f} GB/s"]
    if loads:
        lines.append(f"load average meanwhile: {min(loads):.2f} to {max(loads):.2f}")
    lines.append(f"memory allocator: {speed.allocator}")
    if speed.grid:
        lines.append(f"grid: metrics of a cell alone and in the pool equal: {speed.grid.same_metrics}")
    return lines + [f"missing: {gap.group}, {gap.arm}: {gap.reason}" for gap in speed.missing]


def _arm_cells(row: TimedArm) -> tuple[str, ...]:
    return (
        f"{row.group}: {row.arm}", str(row.texts), f"{row.median_s:.4g}", f"{row.p20_s:.4g}",
        f"{row.p80_s:.4g}", str(row.repeats),
        "" if row.share_of_limit is None else f"{100 * row.share_of_limit:.0f} %",
    )  # fmt: skip
