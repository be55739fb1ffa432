"""``python -m reports.cost``: ``cost.md`` in ``reports/results/cost``, from the measurements that lie there.

Its tables: speed (ratios, and the same with freed memory kept beside them) and the seconds behind them, from figures/
(``experiments.benchmark full``); gpu, from gpu/ (``experiments.benchmark gpu``); where the time of a training step
goes, from profile/ (``experiments.speed.profile``); growth with length, from scaling/, scaling_training/ and
scaling_long/ (``experiments.scaling``). What follows from them for the published claims:
``reports.claims``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from swarmformer.cli.command import CommandParser, exit_status, words_of
from swarmformer.records import (
    FIGURES,
    GpuBenchmark,
    GpuPass,
    ScalingCosts,
    ScalingRow,
    SpeedBenchmark,
    SpeedRatio,
    TimedArm,
)

from .errors import ReportError
from .measured import RESULTS, code_of, read_gpu, read_profile, read_scaling, read_speed
from .profile import profiled
from .render import Column, Entry, Row, Table, page
from .render.table import MISSING
from .tables.cost import Mode, by_length
from .words import ratio

FOLDER = RESULTS / "cost"
MODES: dict[str, Mode] = {"scaling": "forward", "scaling_training": "training"}
USUAL, KEPT = "figures", "figures_kept_memory"
LONG, GPU, STEP = "scaling_long", "gpu", "profile"
PAGE = "cost.md"
WAYS = {
    "eager": "Eager: operation by operation.", "compiled": "Compiled: through torch.compile.",
    "captured": "Captured: replayed as a CUDA graph.",
}  # fmt: skip


def written(folder: Path = FOLDER) -> dict[Path, str]:
    """The page and its Markdown. Raises ReportError: see ``tables``."""
    return {folder / PAGE: page(tables(folder)).rstrip("\n") + "\n"}


def tables(folder: Path = FOLDER) -> list[Table]:
    """What follows from the measurements below ``folder``.

    Raises ReportError where there is none, or one cannot be read.
    """
    speeds = {path.parent.name: read_speed(path.parent) for path in sorted(folder.glob(f"*/{FIGURES}"))}
    if not (folder / "scaling").exists() or USUAL not in speeds:
        raise ReportError(f"{folder}: needs a scaling/ and a figures/ with figures.json")
    made = [_compared(speeds[USUAL], speeds.get(KEPT))]
    made += [_arms(name, speed) for name, speed in speeds.items()]
    if (folder / GPU).exists():
        made.append(_gpu(read_gpu(folder / GPU)))
    if (folder / STEP).exists():
        made.append(profiled(read_profile(folder / STEP)))
    made += [table for mode in MODES if (folder / mode).exists() for table in _growth(folder, mode)]
    if (folder / LONG).exists():
        made += _long(read_scaling(folder / LONG))
    return made


def _table(name: str, title: str, head: str, rows: Sequence[Sequence[str]], *notes: str, code: bool = False) -> Table:
    names = head.split("; ")
    columns = (Column(names[0], is_code=code), *map(Column, names[1:]))
    return Table(name, title, columns, tuple(Row(tuple(map(Entry, row))) for row in rows), notes=notes)


def _arms(name: str, speed: SpeedBenchmark) -> Table:
    gaps = [f"Missing: {gap.group}, {gap.arm}: {gap.reason}." for gap in speed.missing]
    head = "arm; texts a call; median, s; p20 to p80; n; of the limit"
    return _table(f"seconds_{name}", f"{name}: seconds", head, [_arm(row) for row in speed.arms],
                  f"{_machine(speed)}; {code_of(speed)}.", *gaps)  # fmt: skip


def _machine(speed: SpeedBenchmark) -> str:
    """Processor, limits, load and allocator, in one line."""
    rates = ", ".join(f"{name} {limits.matmul_flops_per_s / 1e9:.0f}" for name, limits in speed.limits.items())
    loads = [load for row in speed.arms for load in row.load_average]
    return (
        f"{speed.device}; limits {rates} GFLOP/s; load average {min(loads):.2f} to {max(loads):.2f}; memory "
        f"allocator: {speed.allocator}"
    )


def _arm(row: TimedArm) -> tuple[str, ...]:
    share = "" if row.share_of_limit is None else f"{100 * row.share_of_limit:.0f} %"
    spread = f"{row.p20_s:.4g} to {row.p80_s:.4g}"
    return f"{row.group}: {row.arm}", str(row.texts), f"{row.median_s:.4g}", spread, str(row.repeats), share


def _compared(usual: SpeedBenchmark, kept: SpeedBenchmark | None) -> Table:
    """Ratios of two measurements side by side: the allocator as it comes, and with freed memory kept by all arms."""
    others = {row.figure: row for row in kept.figures} if kept else {}
    rows = [
        (row.figure, f"{row.ours} / {row.reference}",
         *(f"{'≤ ' if row.growth else ''}{goal:g}" for goal in (row.least, row.aim)),
         _spread(row), _spread(others.get(row.figure)), str(row.rounds))
        for row in usual.figures
    ]  # fmt: skip
    head = "figure; ours / against; at least; aim; ratio (p20 to p80); with freed memory kept; rounds"
    return _table("speed", "Speed", head, rows, f"{_machine(usual)}.")


def _spread(row: SpeedRatio | None) -> str:
    if row is None:
        return ""
    missed = "" if row.reached else ", missed"
    return f"{row.ratio:.2f}{'' if row.ratio_p20 is None else f' ({row.ratio_p20:.2f} to {row.ratio_p80:.2f})'}{missed}"


def _gpu(found: GpuBenchmark) -> Table:
    """Passes of the published sizes on a card, the authors' figures beside them."""
    head = (
        "variant; pass; texts × tokens; computed in; way; median, ms; p20 to p80; n; stated, ms; peak memory, GB; "
        "stated or advised, GB; epoch, s; of the limit"
    )
    rates = ", ".join(
        f"{name} {limit.matmul_flops_per_s / 1e12:.0f} TFLOP/s and {limit.copy_bytes_per_s / 1e12:.1f} TB/s"
        for name, limit in found.limits.items()
    )
    loads = [load for row in found.rows for load in row.load_average]
    card = f"{found.gpu.name}, driver {found.gpu.driver}, CUDA {found.gpu.cuda}; limits measured: {rates}"
    notes = (
        f"{card}; load average of the host {min(loads):.1f} to {max(loads):.1f}; {code_of(found)}.",
        " ".join(words for way, words in WAYS.items() if any(row.way == way for row in found.rows)),
        "Times are synchronised; memory is the peak that PyTorch allocated; an epoch has 22,500 texts of full length. "
        "Stated is the peak of Base, in fp32, and the memory that a card for Small is advised to have.",
        *(f"Missing: {gap.name}: {gap.reason}." for gap in found.missing),
    )
    return _table("gpu", "Published sizes on a GPU", head, [_pass(row) for row in found.rows], *notes, code=True)


def _pass(row: GpuPass) -> tuple[str, ...]:
    return (
        row.variant, row.mode, f"{row.batch} × {row.length}", row.computes_in, row.way,
        f"{1e3 * row.median_s:.2f}", f"{1e3 * row.p20_s:.2f} to {1e3 * row.p80_s:.2f}", str(row.repeats),
        f"{1e3 * row.stated_s:.2f}" if row.stated_s else MISSING, f"{row.peak_bytes / 1e9:.2f}",
        f"{row.stated_bytes / 1e9:.2f}" if row.mode == "forward" else MISSING,
        f"{row.epoch_s:.1f}" if row.epoch_s else MISSING, f"{100 * row.share_of_limit:.0f} %",
    )  # fmt: skip


def _growth(folder: Path, mode: str) -> list[Table]:
    """Every variant at every length, then the fitted exponents."""
    note = "Fitted over all lengths (95 % interval: how far from one power law)."
    title, grown = f"{MODES[mode]}: exponents of the length", by_length(MODES[mode], folder / mode)
    return [replace(grown, name=mode), _exponents(f"{mode}_exponents", title, read_scaling(folder / mode), note)]


def _long(scaling: ScalingCosts) -> list[Table]:
    """Texts in pieces: time and memory by variant and length, and the cost of a token against the shortest length."""
    ordered = sorted(scaling.rows, key=lambda row: (row.length, row.variant))
    head = "tokens; variant; median, s; n; tokens/s; CPU, µs a token; of the shortest; peak memory, GiB; bytes a token"
    first = ordered[0]
    note = (
        f"A forward pass in pieces of {first.piece:,} tokens, {first.precision}, {scaling.device}; each row in a fresh "
        f"process; {code_of(scaling)}. CPU: the processor's time, which other work on the machine lengthens less than "
        "the clock's. Bytes a token: what the pass takes beyond the built model."
    )
    loads = [f"{row.variant} at {row.length:,} {row.load_average[0]:.1f}, {row.load_average[1]:.1f}" for row in ordered]
    gaps = [f"Missing: {gap.variant} at {gap.length:,} tokens: {gap.reason}." for gap in scaling.missing]
    load = f"Load average before and after: {'; '.join(loads)}."
    return [
        _table("long", "Texts in pieces", head, [_point(row, scaling) for row in ordered], note, load, *gaps),
        _exponents("long_exponents", "Texts in pieces: exponents of the length", scaling),
    ]


def _exponents(name: str, title: str, scaling: ScalingCosts, *notes: str) -> Table:
    rows = [(fit.variant, *(ratio(each.value, each.low, each.high) if each else MISSING
                            for each in (fit.flops, fit.seconds, fit.memory)))
            for fit in scaling.growth]  # fmt: skip
    return _table(name, title, "variant; FLOPs; seconds; memory", rows, *notes, code=True)


def _point(row: ScalingRow, scaling: ScalingCosts) -> tuple[str, ...]:
    cost = row.cpu_us_per_token
    shortest = min((each for each in scaling.rows if each.variant == row.variant), key=lambda each: each.length)
    least = shortest.cpu_us_per_token
    tokens = row.length * row.batch
    return (
        f"{row.length:,}", row.variant, f"{row.median_s:,.3g}" if row.median_s < 100 else f"{row.median_s:,.0f}",
        str(row.repeats), f"{tokens / row.median_s:,.0f}", f"{cost:.3g}" if cost else MISSING,
        f"{cost / least:.2f}" if cost and least else MISSING, f"{row.peak_bytes / 2**30:.2f}",
        f"{row.growth_bytes / tokens:,.0f}",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables; 0, or 1 where they cannot be made."""
    parser = CommandParser(prog="python -m reports.cost", description="Measurements of cost → tables.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    return exit_status(lambda: _write(parser.parse_args(words_of(arguments)).folder))


def _write(folder: Path) -> None:
    for path, text in written(folder).items():
        path.write_text(text, encoding="utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    sys.exit(main())
