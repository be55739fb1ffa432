"""``cost``: parameters, FLOPs, time and memory of every variant by length, as ``experiments.scaling`` measured them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from swarmformer.records import ScalingCosts, ScalingRow

from ..errors import ReportError
from ..measured import RESULTS, code_of, read_scaling
from ..render.table import Column, Entry, Row, Table, Value
from ..study.model import Study
from ..words import engineering, plural, ratio, three
from . import table
from .columns import parameters
from .layout import missing

Mode = Literal["forward", "training"]
WORDS: dict[Mode, str] = {"forward": "a forward pass", "training": "a training step"}
COLUMNS = (
    Column("tokens"), Column("variant", is_code=True), Column(parameters.head), Column("FLOPs"), Column("FLOPs / base"),
    Column("median, ms"), Column("p20 to p80, ms"), Column("time / base"), Column("n"), Column("memory, MiB"),
    Column("memory / base"), Column("of least time"),
)  # fmt: skip
KEYS: tuple[tuple[str, ...], ...] = (
    ("parameters_total", "parameters_without_embedding"), ("flops",), ("flops_ratio",), ("median_s",),
    ("p20_s", "p80_s"), ("time_ratio", "time_ratio_low", "time_ratio_high"), ("repeats",), ("memory_bytes",),
    ("memory_ratio",), ("share_of_least",),
)  # fmt: skip
"""CSV columns behind each column from the third on."""


@table("cost")
def cost(
    study: Study, *, measured: dict[Mode, str], lengths: Annotated[tuple[int, ...], Field(min_length=1)], base: str
) -> list[Table]:
    """One table per kind of pass; none where nothing lies in its folder.

    measured: forward, training → folder with ``costs.json``, relative to reports/results. lengths: what the table must
    speak of, measured or not. base: the variant that ratios are to, the first of the measurement. Raises ReportError
    where a measurement cannot be read, is relative to another base, or is above physics.
    """
    folders = {mode: folder for mode, folder in measured.items() if (RESULTS / folder).exists()}
    return [
        by_length(mode, RESULTS / folder, f"{folder}/costs.json", base, lengths) for mode, folder in folders.items()
    ]


def by_length(
    mode: Mode, folder: Path, source: str = "", base: str | None = None, lengths: Sequence[int] = ()
) -> Table:
    """Every variant at these lengths (all that were measured where none is given)."""
    scaling = read_scaling(folder)
    first, *_ = scaling.variants
    if base not in (None, first):
        raise ReportError(f"{folder.name}: measured against {first}, but the table's base is {base}")
    shown = lengths or sorted({row.length for row in scaling.rows})
    rows = [
        Row(_entries(scaling, first, variant, length, source), ruled=not number)
        for length in shown
        for number, variant in enumerate(scaling.variants)
    ]
    return Table(mode, WORDS[mode], COLUMNS, tuple(rows), notes=(_note(scaling, mode), *_gaps(scaling, shown)))


def _entries(scaling: ScalingCosts, base: str, variant: str, length: int, source: str) -> tuple[Entry, ...]:
    head = (Entry(f"{length:,}", {"length": length}), Entry(variant, {"variant": variant}))
    point, first = scaling.at(variant, length), scaling.at(base, length)
    if point is None:
        return (*head, *(missing(*keys) for keys in KEYS))
    cells = zip(KEYS, _cells(point, first), strict=True)
    made = [missing(*keys) if cell is None else Entry(cell[0], dict(zip(keys, cell[1], strict=True)), (source,))
            for keys, cell in cells]  # fmt: skip
    return (*head, *made)


def _cells(point: ScalingRow, first: ScalingRow | None) -> list[tuple[str, Sequence[Value]] | None]:
    """Text and raw values of each column from the third on; None where there is no base to hold against."""
    total, without, of = point.parameters.total, point.parameters.without_embedding, point.of_first
    return [
        (f"{total:,} ({without:,})", (total, without)),
        (engineering(point.flops), (point.flops,)),
        _ratio(point.flops, first.flops if first else None),
        (_ms(point.median_s), (point.median_s,)),
        (f"{_ms(point.p20_s)} to {_ms(point.p80_s)}", (point.p20_s, point.p80_s)),
        (ratio(of.value, of.low, of.high), (of.value, of.low, of.high)) if of else None,
        (str(point.repeats), (point.repeats,)),
        (three(point.growth_bytes / 2**20), (point.growth_bytes,)),
        _ratio(point.growth_bytes, first.growth_bytes if first else None),
        (f"{100 * point.share_of_least:.0f} %", (point.share_of_least,)),
    ]


def _ratio(ours: int, base: int | None) -> tuple[str, Sequence[Value]] | None:
    return (ratio(ours / base, None, None), (ours / base,)) if base else None


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f}" if seconds >= 0.9995 else three(1e3 * seconds)


def _note(scaling: ScalingCosts, mode: Mode) -> str:
    first, limits = scaling.rows[0], scaling.limits
    return (
        f"{WORDS[mode].capitalize()} of {plural(first.batch, 'text')} in {first.precision}, all variants and lengths "
        f"in the same rounds, {scaling.device}; {code_of(scaling)}. Limits of the machine: "
        f"{engineering(limits.matmul_flops_per_s)}FLOP/s in matrix products, "
        f"{engineering(limits.copy_bytes_per_s)}B/s in copies."
    )


def _gaps(scaling: ScalingCosts, lengths: Sequence[int]) -> list[str]:
    """Why entries are missing, and variants that have none."""
    gaps = [gap for gap in scaling.missing if gap.length in lengths]
    said = [f"Missing: {gap.variant} at {gap.length:,} tokens: {gap.reason}." for gap in gaps]
    known = {(gap.variant, gap.length) for gap in gaps}
    silent = [length for length in lengths for name in scaling.variants
              if scaling.at(name, length) is None and (name, length) not in known]  # fmt: skip
    asked = dict.fromkeys(silent)
    return [*said, *(f"Missing: {length:,} tokens were not asked for in this measurement." for length in asked)]
