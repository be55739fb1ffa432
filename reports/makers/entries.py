"""Entries that several tables have."""

from __future__ import annotations

from collections.abc import Sequence

from ..sheet import MISSING, Column, Entry
from ..statistics.interval import Interval
from ..view import Sizes, View
from ..words import engineering, p_value, percent, signed, with_bounds, with_half

BLANK = Entry("")


def label(key: str, words: str) -> Entry:
    """A name."""
    return Entry(words, {key: words})


def missing(*keys: str, sources: Sequence[str] = ()) -> Entry:
    """What was asked for and is not there: ``—``, and empty values under these CSV columns."""
    return Entry(MISSING, dict.fromkeys(keys), tuple(sources))


def interval_raw(key: str, interval: Interval) -> dict[str, float | int | None]:
    return {key: interval.mean, f"{key}_low": interval.low, f"{key}_high": interval.high}


def mean(key: str, interval: Interval | None, sources: Sequence[str]) -> Entry:
    """Over seeds: ``81.19 ± 0.48``."""
    if interval is None:
        return missing(key, f"{key}_low", f"{key}_high")
    return Entry(with_half(interval), interval_raw(key, interval), tuple(sources))


def points(key: str, interval: Interval | None, sources: Sequence[str]) -> Entry:
    """A difference with its interval: ``+0.83 [−0.20, +1.86]``."""
    if interval is None:
        return missing(key, f"{key}_low", f"{key}_high", sources=sources)
    return Entry(with_bounds(interval, "+"), interval_raw(key, interval), tuple(sources))


def p_entry(key: str, p: float | None, sources: Sequence[str]) -> Entry:
    return missing(key, sources=sources) if p is None else Entry(p_value(p), {key: p}, tuple(sources))


def seeds(seen: View, arm: str) -> Entry:
    """``3``, or ``2 of 3`` where runs are missing."""
    n, planned = len(seen.of(arm)), seen.seeds_planned(arm)
    return Entry(str(n) if n == planned else f"{n} of {planned}", {"n": n}, seen.sources(arm))


def parameters(sizes: Sizes | None) -> Entry:
    """In total, and without the embedding table."""
    keys = ("parameters_total", "parameters_without_embedding")
    if sizes is None:
        return missing(*keys)
    total, without = sizes.parameters.total, sizes.parameters.without_embedding
    return Entry(f"{total:,} ({without:,})", dict(zip(keys, (total, without), strict=True)), sizes.sources)


def flops_entries(sizes: Sequence[Sizes | None]) -> tuple[Column, list[Entry]]:
    """A column and its entries, which name their length where it is not that of all."""
    lengths = {one.length for one in sizes if one is not None}
    shared = len(lengths) == 1
    second = f"(length {min(lengths):,})" if shared else "(@ length)"
    return Column(("FLOPs per example", second)), [_flops(one, shared) for one in sizes]


def _flops(sizes: Sizes | None, shared: bool) -> Entry:
    keys = ("flops_forward", "flops_length")
    if sizes is None:
        return missing(*keys)
    words = engineering(sizes.flops) + ("" if shared else f" @ {sizes.length:,}")
    return Entry(words, dict(zip(keys, (sizes.flops, sizes.length), strict=True)), sizes.sources)


def size_difference(key: str, value: float | None, sources: Sequence[str]) -> Entry:
    """``+1.23 M``"""
    return missing(key) if value is None else Entry(signed(value), {key: value}, tuple(sources))


PARAMETERS = Column(("parameters", "(w/o embedding)"))


FLOORS_NOTE = (
    "Floors and ceilings: one predictor each, 95 % Wilson interval over the test examples; a ceiling knows how the "
    "examples are made."
)


def in_points(value: float) -> str:
    """``0.83 points``"""
    return f"{percent(value)} points"
