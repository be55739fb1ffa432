"""A costs.json as a table in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swarmformer.records import (
    BenchmarkCosts,
    BenchmarkRow,
    IntervalEstimate,
    LimitsOf,
    MissingRow,
    ScalingCosts,
    ScalingRow,
)

from ..progress import print_tables

Row = BenchmarkRow | ScalingRow


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.4g}"


def _optional(key: str, text: Callable[[Any], str]) -> Callable[[Row], str]:
    """Of what only some rows have."""
    return lambda row: "" if getattr(row, key, None) is None else text(getattr(row, key))


COLUMNS: dict[str, Callable[[Row], str]] = {
    "variant": lambda row: row.variant,
    "mode": lambda row: row.mode + (" + tokenising" if getattr(row, "tokenised", False) else ""),
    "precision": lambda row: row.precision,
    "threads": lambda row: str(row.threads),
    "batch": lambda row: str(row.batch),
    "length": lambda row: str(row.length) + ("*" if row.seq_len_raised_from else ""),
    "median, ms": lambda row: _ms(row.median_s),
    "p20": lambda row: _ms(row.p20_s),
    "p80": lambda row: _ms(row.p80_s),
    "p90": lambda row: _ms(row.p90_s),
    "p95": lambda row: _ms(row.p95_s),
    "n": lambda row: str(row.repeats),
    "texts/s": _optional("texts_per_s", lambda rate: f"{rate:.4g}"),
    "tokens/s": _optional("tokens_per_s", lambda rate: f"{rate:,.0f}"),
    "CPU µs a token": _optional("cpu_us_per_token", lambda cost: f"{cost:.3g}"),
    "GFLOP": lambda row: f"{row.flops / 1e9:.4g}",
    "of least": lambda row: f"{100 * row.share_of_least:.1f} %",
    "peak, MiB": _optional("peak_bytes", lambda size: f"{size / 2**20:.0f}"),
    "against first": _optional("of_first", lambda found: _interval(found)),
    "of calls": _optional("growth_bytes", lambda size: f"{size / 2**20:.0f}"),
    "GPU, MiB": _optional("device_allocated_bytes", lambda size: f"{size / 2**20:.0f}"),
    "compile, s": _optional("compile_s", lambda seconds: f"{seconds:.1f}"),
}
"""Heading → text; a column that is empty in every row is left out."""


def print_costs(costs: BenchmarkCosts | ScalingCosts, path: Path) -> None:
    """Print the rows, the machine's limits, the load meanwhile, and what is missing with its reason."""
    texts = {head: [text(row) for row in costs.rows] for head, text in COLUMNS.items()}
    shown = {head: column for head, column in texts.items() if any(column)}
    print_tables([(list(shown), zip(*shown.values(), strict=True))], [*notes(costs), str(path)])


def notes(costs: BenchmarkCosts | ScalingCosts) -> list[str]:
    """What a reader of the rows must know."""
    lines = [costs.device]
    lines += [_limit(found) for found in costs.limits_by]
    loads = [load for row in costs.rows for load in row.load_average]
    if loads:
        lines.append(f"load average meanwhile: {min(loads):.2f} to {max(loads):.2f}")
    if any(row.seq_len_raised_from for row in costs.rows):
        lines.append("* longer than the variant's own seq_len, which was raised for the measurement")
    if isinstance(costs, BenchmarkCosts):
        lines += _scaled_down(costs.rows)
    return lines + [_gap(gap) for gap in costs.missing]


def _gap(gap: MissingRow) -> str:
    where = gap.model_dump(exclude={"variant", "reason"}, exclude_none=True)
    return f"missing: {gap.variant} ({', '.join(f'{key} {value}' for key, value in where.items())}): {gap.reason}"


def _limit(found: LimitsOf) -> str:
    rate, copy = found.matmul_flops_per_s / 1e9, found.copy_bytes_per_s / 1e9
    product = " × ".join(map(str, found.best_product))
    where = f"threads {found.threads}, {found.measured_for}"
    return f"limit ({where}): {rate:.0f} GFLOP/s at {product}, copying {copy:.1f} GB/s"


def _scaled_down(rows: Sequence[BenchmarkRow]) -> list[str]:
    """What rows of real texts measured at the least, beside what MLPerf asks for."""
    lines, real = [], [row for row in rows if row.mlperf_least_s]
    for mode in dict.fromkeys(row.mode for row in real):
        same = [row for row in real if row.mode == mode]
        texts, measured = min(row.texts or 0 for row in same), min(row.measured_s or 0 for row in same)
        least = same[0].mlperf_least_s
        lines.append(f"{mode}: {texts} texts and {measured:.1f} s a row or more (MLPerf asks for {least} s)")
    return lines


def print_growth(costs: ScalingCosts) -> None:
    """Print the exponents of every variant, fitted over all lengths and from each length to the next."""
    head = ("variant", "FLOPs ∝ N^", "seconds ∝ N^", "memory ∝ N^", "seconds, length by length")
    rows = []
    for found in costs.growth:
        steps = [f"{step.shorter}–{step.longer}: {_interval(step)}" for step in found.local_seconds]
        fits = [_interval(fit) for fit in (found.flops, found.seconds, found.memory)]
        rows.append((found.variant, *fits, ", ".join(steps)))
    words = "95 % intervals: of fits, how far the lengths are from one power law; of steps, timing alone."
    print_tables([(head, rows)], [words])


def _interval(found: IntervalEstimate | None) -> str:
    if found is None:
        return "—"
    if found.low is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
