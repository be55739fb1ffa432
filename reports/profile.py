"""Where the time of a training step goes, operator by operator."""

from __future__ import annotations

from collections.abc import Sequence

from swarmformer.records import Profile, StepProfile

from .measured import code_of
from .render import Column, Entry, Row, Table

LEAST = 0.02
"""Operators with a smaller share of every step stand together."""
PRODUCTS = {"aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "aten::baddbmm_"}


def profiled(found: Profile) -> Table:
    """A row for each operator and a column for each step: shares of the operators' time, in %."""
    heads = [f"{row.variant}, {row.width} wide, {row.threads} thread{'s' * (row.threads > 1)}" for row in found.rows]
    shares = [_shares(row) for row in found.rows]
    longest = {name: max(of.get(name, 0.0) for of in shares) for of in shares for name in of}
    told = sorted((name for name, most in longest.items() if most >= LEAST), key=lambda name: -longest[name])
    rows = [(name, [_percent(of.get(name, 0.0)) for of in shares]) for name in told]
    rest = [sum(value for name, value in of.items() if name not in told) for of in shares]
    rows += [
        ("operators with less", [_percent(each) for each in rest]),
        ("matrix products together", [_percent(sum(of.get(name, 0.0) for name in PRODUCTS)) for of in shares]),
        ("between operators, of the step", [_percent(_between(row)) for row in found.rows]),
        ("a step, ms", [f"{1e3 * row.seconds:.0f}" for row in found.rows]),
        ("thousand tokens a second", [f"{row.batch * row.length / row.seconds / 1e3:.1f}" for row in found.rows]),
    ]
    notes = (
        f"{_steps(found.rows)}. Shares are of the time within operators under PyTorch's profiler, each without those "
        "that it calls; milliseconds and tokens are of steps without it (median).",
        f"{found.device.partition(' (')[0]}; memory allocator: {found.allocator}; {code_of(found)}.",
    )
    return _table(["operator", *heads], rows, notes)


def _shares(row: StepProfile) -> dict[str, float]:
    total = sum(time.seconds for time in row.operators)
    return {time.operator: time.seconds / total for time in row.operators}


def _between(row: StepProfile) -> float:
    return max(0.0, 1 - sum(time.seconds for time in row.operators) / row.profiled_s)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}" if share else ""


def _steps(rows: Sequence[StepProfile]) -> str:
    batch, length, steps = rows[0].batch, rows[0].length, rows[0].steps
    return f"A training step in fp32 on {batch} texts of {length} tokens, dropout and optimiser included; {steps} steps"


def _table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], notes: tuple[str, ...]) -> Table:
    made = tuple(Row((Entry(name), *map(Entry, cells))) for name, cells in rows)
    return Table("profile", "Where the time of a training step at small width goes, %", tuple(map(Column, heads)), made,
                 notes=notes)  # fmt: skip
