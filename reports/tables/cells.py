"""Entries and notes that several kinds of tables have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ..render.table import MISSING, Column, Entry
from ..statistics.interval import Interval
from ..study.model import Arm, Contrast, GridStudy, Reference, Size
from ..words import engineering, p_value, plural, signed, with_bounds

BLANK = Entry("")
PARAMETERS = Column("parameters (w/o embedding)")
REFERENCES_NOTE = (
    "Baselines and oracles: one predictor each, 95 % Wilson interval over the test examples; an oracle knows how the "
    "examples are made."
)
PROVENANCE = {"code_revision": "code revision", "device": "device", "data_key": "data"}


def label(key: str, words: str) -> Entry:
    """A name."""
    return Entry(words, {key: words})


def missing(*keys: str, sources: Sequence[str] = ()) -> Entry:
    """What was asked for and is not there: ``—``, and empty values under these CSV columns."""
    return Entry(MISSING, dict.fromkeys(keys), tuple(sources))


def bounds(key: str, interval: Interval | None) -> dict[str, float | int | None]:
    """Raw values of a mean and its interval."""
    values = (interval.mean, interval.low, interval.high) if interval else (None, None, None)
    return dict(zip((key, f"{key}_low", f"{key}_high"), values, strict=True))


def mean(key: str, interval: Interval | None, sources: Sequence[str], sign: str = "") -> Entry:
    """A mean, or with ``sign`` a difference, and its interval: ``81.19 [80.70, 81.67]``."""
    text = MISSING if interval is None else with_bounds(interval, sign)
    return Entry(text, bounds(key, interval), tuple(sources))


def probability(key: str, p: float | None, sources: Sequence[str]) -> Entry:
    return missing(key, sources=sources) if p is None else Entry(p_value(p), {key: p}, tuple(sources))


def verdict(contrast: Contrast) -> Entry:
    """The contrast's own verdict; missing where no margin was registered."""
    said = None if contrast.verdict is None else str(contrast.verdict)
    return Entry(said or MISSING, {"verdict": said, "reason": contrast.reason}, contrast.sources)


def reasons(contrasts: Iterable[Contrast]) -> list[str]:
    """What the verdicts rest on, without aliases: ``Undecided (interval holds zero and passes the margin): a, b.``"""
    named: dict[tuple[str, str], list[str]] = {}
    for contrast in contrasts:
        reason = contrast.reason.partition("; not told from")[0]
        if contrast.verdict is not None and reason:
            named.setdefault((str(contrast.verdict), reason), []).append(contrast.name)
    return [f"{said.capitalize()} ({reason}): {', '.join(names)}." for (said, reason), names in named.items()]


def seeds(arm: Arm) -> Entry:
    """``3``, or ``2 of 3`` where runs are missing."""
    raw = {"seeds": " ".join(map(str, arm.seeds)), "n": arm.n}
    return Entry(str(arm.n) if arm.n >= arm.planned else f"{arm.n} of {arm.planned}", raw, arm.sources)


def parameters(size: Size | None) -> Entry:
    """In total, and without the embedding table."""
    keys = ("parameters_total", "parameters_without_embedding")
    if size is None:
        return missing(*keys)
    raw = dict(zip(keys, (size.parameters, size.without_embedding), strict=True))
    return Entry(f"{size.parameters:,} ({size.without_embedding:,})", raw, size.sources)


def flops_column(sizes: Iterable[Size | None]) -> Column:
    """Names the length where all have one."""
    lengths = {size.length for size in sizes if size is not None}
    return Column(f"FLOPs (length {min(lengths):,})" if len(lengths) == 1 else "FLOPs @ length")


def flops(size: Size | None, column: Column) -> Entry:
    if size is None:
        return missing("flops_forward", "flops_length")
    words = engineering(size.flops) + (f" @ {size.length:,}" if "@" in column.head else "")
    return Entry(words, {"flops_forward": size.flops, "flops_length": size.length}, size.sources)


def size_difference(key: str, value: int | None, sources: Sequence[str]) -> Entry:
    """``+1.23 M``"""
    return missing(key) if value is None else Entry(signed(value), {key: value}, tuple(sources))


def on_its_data(grid: GridStudy) -> list[Reference]:
    """Baselines, then oracles, that were measured on the data of the arms."""
    return [reference for reference in grid.references if reference.data_key == grid.data_key]


def reference_accuracy(reference: Reference) -> Entry:
    return mean("accuracy", reference.accuracy, reference.sources)


def examples(reference: Reference) -> Entry:
    n = reference.accuracy.n
    return Entry(plural(n, "example"), {"n": n}, reference.sources)


def title(grid: GridStudy) -> str:
    return f"grid {grid.name}, task {grid.task}"


def metric_words(grid: GridStudy) -> str:
    return {"accuracy": "test accuracy", "f1": "test F1"}[grid.metric]


def runs_of(arms: Iterable[Arm]) -> pd.DataFrame:
    """The runs of several arms, one below the other."""
    frames = [arm.runs for arm in arms if arm.n]
    return pd.concat(frames) if frames else pd.DataFrame(columns=["where", *PROVENANCE])


def named_grid(grid: GridStudy, said: Iterable[str]) -> list[str]:
    """Sentences about a grid in a table of several."""
    return [line if line.startswith(f"Grid {grid.name}") else f"Grid {grid.name}: {line}" for line in said]
