"""Cost of every variant by length: parameters, FLOPs, latency and memory, as ``experiments.scaling`` measured them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from ..cost_rows import Growth, Point, read_growth
from ..cost_speed import Environment
from ..costs import CEILING_TOLERANCE
from ..definition import Definition
from ..errors import ReportError, UnreadableFileError
from ..evidence import Evidence
from ..schema import load
from ..sheet import Column, Entry, Sheet
from ..words import engineering, plural, ratio, three
from .entries import label, missing
from .options import Options, read_options

RESULTS = Path(__file__).parents[1] / "results"
Mode = Literal["forward", "training"]
WORDS: dict[Mode, str] = {"forward": "a forward pass", "training": "a training step"}
HEADS: tuple[Column, ...] = (
    Column(("tokens",)),
    Column(("variant",), is_code=True),
    Column(("parameters", "(w/o embedding)")),
    Column(("FLOPs",)),
    Column(("FLOPs,", "ratio to base")),
    Column(("median,", "ms")),
    Column(("p20 to p80,", "ms")),
    Column(("time, ratio to base", "(95 % interval)")),
    Column(("n",)),
    Column(("memory,", "MiB")),
    Column(("memory,", "ratio to base")),
    Column(("share of", "the floor")),
)
KEYS: tuple[tuple[str, ...], ...] = (
    ("parameters_total", "parameters_without_embedding"), ("flops",), ("flops_ratio",), ("median_s",),
    ("p20_s", "p80_s"), ("time_ratio", "time_ratio_low", "time_ratio_high"), ("repeats",), ("memory_bytes",),
    ("memory_ratio",), ("share_of_floor",),
)  # fmt: skip
"""CSV columns behind each column from the third on."""


class CostOptions(Options):
    """measured: forward, training → folder with ``costs.json``, relative to reports/results.

    lengths: what the table must speak of, measured or not. base: the variant that ratios are to, the first of the
    measurement (whose rounds the ratios of time are of).
    """

    measured: dict[Mode, str]
    lengths: tuple[int, ...] = Field(min_length=1)
    base: str


def cost(evidence: Evidence, definition: Definition) -> list[Sheet]:
    """One sheet per kind of pass; none where nothing lies in its folder.

    Raises ReportError where a measurement cannot be read, is relative to another base, or is above physics.
    """
    options = read_options(definition, CostOptions)
    folders = {mode: RESULTS / folder for mode, folder in options.measured.items()}
    return [_sheet(definition, options, mode) for mode, folder in folders.items() if folder.exists()]


def _sheet(definition: Definition, options: CostOptions, mode: Mode) -> Sheet:
    folder = options.measured[mode]
    growth = read_growth(RESULTS / folder)
    _check(growth, options, folder)
    source, variants = f"{folder}/costs.json", growth.variants
    rows = [_row(growth, options.base, name, length, source) for length in options.lengths for name in variants]
    return Sheet(
        name=f"{definition.name}_{mode}",
        title=f"{definition.title}: {WORDS[mode]}",
        columns=HEADS,
        rows=tuple(rows),
        rules=frozenset(number * len(variants) for number in range(1, len(options.lengths))),
        notes=(*_notes(growth, options, mode, folder), *_gaps(growth, options)),
    )


def _check(growth: Growth, options: CostOptions, folder: str) -> None:
    if options.base not in growth.variants[:1]:
        raise ReportError(f"{folder}: measured against {growth.variants[:1]}, but the table's base is {options.base}")
    above = [row for row in growth.rows if row.share_of_floor > CEILING_TOLERANCE]
    if above:
        where = f"{folder}: {above[0].variant} at {above[0].length}"
        raise ReportError(f"{where} is faster than its machine; measure again")


def _row(growth: Growth, base: str, variant: str, length: int, source: str) -> tuple[Entry, ...]:
    point, first = growth.at(variant, length), growth.at(base, length)
    head = (Entry(f"{length:,}", {"length": length}), label("variant", variant))
    if point is None:
        return (*head, *(missing(*keys) for keys in KEYS))
    return (*head, *_sizes(point, first, source), *_times(point, source), *_memory(point, first, source))


def _sizes(point: Point, first: Point | None, source: str) -> list[Entry]:
    total, without = point.parameters.total, point.parameters.without_embedding
    return [
        _entry(f"{total:,} ({without:,})", KEYS[0], (total, without), source),
        _entry(engineering(point.flops), KEYS[1], (point.flops,), source),
        _ratio(KEYS[2], point.flops, first.flops if first else None, source),
    ]


def _times(point: Point, source: str) -> list[Entry]:
    low, high, of = point.p20_s, point.p80_s, point.of_first
    return [
        _entry(_ms(point.median_s), KEYS[3], (point.median_s,), source),
        _entry(f"{_ms(low)} to {_ms(high)}", KEYS[4], (low, high), source),
        _entry(ratio(of.value, of.low, of.high), KEYS[5], (of.value, of.low, of.high), source)
        if of
        else missing(*KEYS[5]),
        _entry(str(point.repeats), KEYS[6], (point.repeats,), source),
    ]


def _memory(point: Point, first: Point | None, source: str) -> list[Entry]:
    size, share = point.growth_bytes, point.share_of_floor
    return [
        _entry(three(size / 2**20), KEYS[7], (size,), source),
        _ratio(KEYS[8], size, first.growth_bytes if first else None, source),
        _entry(f"{share:.0%}", KEYS[9], (share,), source),
    ]


def _entry(words: str, keys: Sequence[str], values: Sequence[float | None], source: str) -> Entry:
    return Entry(words, dict(zip(keys, values, strict=True)), (source,))


def _ratio(keys: Sequence[str], ours: int, base: int | None, source: str) -> Entry:
    return _entry(ratio(ours / base, None, None), keys, (ours / base,), source) if base else missing(*keys)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f}" if seconds >= 0.9995 else three(1e3 * seconds)


def _notes(growth: Growth, options: CostOptions, mode: Mode, folder: str) -> list[str]:
    first, top = growth.rows[0], growth.ceilings
    return [
        f"{WORDS[mode].capitalize()} of {plural(first.batch, 'text')} in {first.precision}, all variants and "
        f"lengths in the same rounds, {growth.device}; code {_revision(folder)}. Ceilings of the machine: "
        f"{engineering(top['matmul_flops_per_s'])}FLOP/s in matrix products, "
        f"{engineering(top['copy_bytes_per_s'])}B/s in copies.",
        f"Ratios are to {options.base} at the same length; of time: the median over rounds with its interval. n: "
        "rounds. FLOPs: multiply-adds × 2. Memory: what the pass takes in a fresh process beyond the built model. "
        "Share of the floor: the least time that the machine's ceilings allow over the median.",
    ]


def _revision(folder: str) -> str:
    try:
        return load(RESULTS / folder / "environment.json", Environment).code_revision
    except UnreadableFileError as error:
        raise ReportError(str(error)) from error


def _gaps(growth: Growth, options: CostOptions) -> list[str]:
    """Why entries are missing."""
    reasons = {(gap.variant, gap.length): gap.reason for gap in growth.missing}
    asked = [(name, length) for length in options.lengths for name in growth.variants]
    unknown = [key for key in asked if growth.at(*key) is None]
    silent = sorted({length for name, length in unknown if (name, length) not in reasons})
    said = [f"Missing: {key[0]} at {key[1]:,} tokens: {reasons[key]}." for key in unknown if key in reasons]
    return [*said, *(f"Missing: {length:,} tokens were not asked for in this measurement." for length in silent)]
