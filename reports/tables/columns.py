"""Columns of tables about arms: one library, of which each kind of table takes what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..render.table import MISSING, Entry, Value
from ..study.exercise import Mechanism
from ..study.subjects import Reference
from ..words import engineering, plural, signed, three
from .layout import BLANK, Cells, Line, bounds, cells, mean, missing, probability, said, word

SPLITS = ("train", "validation", "test")


@cells("arm", is_code=True)
def name(line: Line) -> Entry:
    return Entry(line.name, {"arm": line.name}, line.sources)


@cells("arm", is_code=True)
def identity(line: Line) -> Entry:
    """With all that the CSV says of what a row is."""
    arm, kind = line.arm, line.reference.kind if line.reference else "arm"
    raw: dict[str, Value] = {"grid": line.grid.name, "task": line.grid.task, "kind": kind, "name": line.name,
           "variant": arm.variant if arm else "", "is_base": bool(arm and arm.is_base)}  # fmt: skip
    return Entry(line.name if arm else f"{line.name} ({kind})", raw, line.sources)


@cells("n")
def count(line: Line) -> Entry:
    """``3 seeds``, ``2 of 3 seeds``, ``2,000 examples``."""
    if line.arm is None:
        n = line.reference.accuracy.n if line.reference else 0
        return Entry(plural(n, "example"), {"n": n}, line.sources)
    arm = line.arm
    words = plural(arm.n, "seed") if arm.n >= arm.planned else f"{arm.n} of {plural(arm.planned, 'seed')}"
    return Entry(words, {"seeds": " ".join(map(str, arm.seeds)), "n": arm.n}, arm.sources)


@cells("test accuracy, %")
def accuracy(line: Line) -> Entry:
    interval = line.arm.accuracy if line.arm else line.reference.accuracy if line.reference else None
    entry, over = mean("accuracy", interval, line.sources), "seeds" if line.arm else "examples"
    return replace(entry, raw={**entry.raw, "accuracy_interval": f"over {over}"})


def _of_text(head: str, key: str, places: int) -> Cells:
    """What only running text has: ``2.04 [1.98, 2.10]``; in no file of other tasks."""

    def entry(line: Line) -> Entry:
        shown = line.arm or line.reference
        interval = shown.text_metrics.get(key) if shown else None
        if interval is None:
            return BLANK
        numbers = [f"{value:.{places}f}" for value in (interval.mean, interval.low, interval.high) if value is not None]
        bounded = f" [{numbers[1]}, {numbers[2]}]" if len(numbers) == 3 else ""
        return Entry(numbers[0] + bounded, bounds(key, interval), line.sources)

    return Cells(head, entry, hidden="empty")


bits_per_byte = _of_text("test bits per byte", "bits_per_byte", 3)
perplexity = _of_text("test perplexity of a token", "perplexity", 2)


@cells("{metric}, %")
def value(line: Line) -> Entry:
    """Of the grid's primary metric."""
    if line.reference:
        return mean("accuracy", line.reference.accuracy, line.sources)
    return mean(line.grid.metric, line.arm.value if line.arm else None, line.sources)


@cells("validation accuracy, %")
def validation(line: Line) -> Entry:
    return mean("validation_accuracy", line.arm.validation, line.sources) if line.arm else BLANK


@cells("difference to base, points")
def difference(line: Line) -> Entry:
    contrast = line.contrast
    raw = {**bounds("difference", contrast.interval if contrast else None), "pairs": contrast.n if contrast else None}
    if contrast is None:
        is_base = line.arm and line.name == (line.family.base if line.family else line.grid.base)
        return Entry("base" if is_base else MISSING if line.arm else "", raw)
    return Entry(mean("", contrast.interval, (), "+").text, raw, contrast.sources)


@cells("to the best baseline, points")
def above_baseline(line: Line) -> Entry:
    return _above("difference", line, line.grid.best_baseline)


@cells("to the best on the same cut, points", hidden="empty")
def above_on_cut(line: Line) -> Entry:
    return _above("difference_on_cut", line, line.grid.best_on_cut)


def _above(key: str, line: Line, best: Reference | None) -> Entry:
    if line.arm is None:
        return BLANK
    above = best.below(line.arm) if best else None
    return mean(key, above, (*line.sources, *best.sources) if above and best else (), "+")


@cells("verdict", hidden="empty")
def verdict(line: Line) -> Entry:
    return said(line.contrast) if line.contrast else Entry("", {"verdict": None, "reason": None})


@cells("mechanism", hidden="empty")
def mechanism(line: Line) -> Entry:
    """Whether the components that tell an arm from its base were exercised, and what that rests on: of each slot the
    measure nearest to its limit; of one slot its range over layers and seeds, of several the means. Blank where not
    known. The raw values are all that they measured at the end of training, as means."""
    base = line.grid.arm(line.contrast.against) if line.contrast else None
    if line.arm is None or base is None:
        return BLANK
    found = line.arm.exercised.changed_from(base.exercised)
    raw: dict[str, Value] = {f"{one.slot}_{one.measure}": one.mean for one in found}
    idle = [f"{one.slot} {one.words}" for one in found if one.is_idle]
    text = f"not exercised: {', '.join(idle)}" if idle else _exercised(found)
    return Entry(text, raw, line.sources if found else ())


def _exercised(found: Sequence[Mechanism]) -> str:
    """``exercised: router agreement 0.56 to 0.97``; empty where nothing was measured."""
    nearest = dict[str, Mechanism]()
    for one in sorted((one for one in found if one.room is not None), key=lambda one: one.room or 0, reverse=True):
        nearest[one.slot] = one
    shown = sorted(nearest.values(), key=lambda one: one.slot)
    values = [f"{one.slot} {one.ranged if len(shown) == 1 else one.words}" for one in shown]
    said = f"exercised: {', '.join(values)}" if values else "exercised"
    return said if found else ""


def _p(key: str) -> Callable[[Line], Entry]:
    def entry(line: Line) -> Entry:
        contrast = line.contrast
        if contrast is None:
            return BLANK
        of_family = line.family if key == "p_holm" else None
        sources = of_family.sources if of_family else tuple(dict.fromkeys(contrast.sources))
        return probability(key, getattr(contrast, key), sources)

    return entry


p, p_holm = Cells("p", _p("p")), Cells("p Holm", _p("p_holm"))
p_mcnemar = Cells("p McNemar", _p("p_mcnemar"), hidden="empty")


@cells("parameters (w/o embedding)")
def parameters(line: Line) -> Entry:
    """In total, and without the embedding table; those of a channel stand apart."""
    keys, size = ("parameters_total", "parameters_without_embedding"), line.arm.size if line.arm else None
    if size is None:
        return missing(*keys) if line.arm else BLANK
    raw = dict(zip(keys, (size.parameters, size.without_embedding), strict=True))
    beside = f" + {size.channel:,} in a channel" if size.channel else ""
    return Entry(f"{size.parameters:,} ({size.without_embedding:,}){beside}", raw, size.sources)


@cells("FLOPs @ tokens")
def flops(line: Line) -> Entry:
    size = line.arm.size if line.arm else None
    if size is None:
        return missing("flops_forward", "flops_length") if line.arm else BLANK
    raw = {"flops_forward": size.flops, "flops_length": size.length}
    return Entry(f"{engineering(size.flops)} @ {size.length:,}", raw, size.sources)


def _more(of: str, key: str) -> Callable[[Line], Entry]:
    """What an arm has more than its base: ``+1.23 M``."""

    def entry(line: Line) -> Entry:
        if line.contrast is None:
            return BLANK
        sizes = [arm.size for arm in (line.arm, line.grid.arm(line.contrast.against)) if arm and arm.size]
        if len(sizes) < 2:
            return missing(key)
        more = getattr(sizes[0], of) - getattr(sizes[1], of)
        return Entry(signed(more), {key: more}, tuple(source for size in sizes for source in size.sources))

    return entry


more_parameters = Cells("Δ parameters", _more("parameters", "parameters_difference"))
more_flops = Cells("Δ FLOPs", _more("flops", "flops_difference"))


def latency(batch: int) -> Cells:
    """Seconds of a forward pass of a batch: ``2.61 (4.41) @ 32``."""

    def entry(line: Line) -> Entry:
        if line.arm is None:
            return BLANK
        keys, speed = ("median_s", "p95_s", "length", "share_of_limit"), line.arm.speeds.get(batch)
        raw = {f"latency_b{batch}_{key}": getattr(speed, key) if speed else None for key in keys}
        if speed is None:
            return Entry(MISSING, raw)
        words = f"{three(1e3 * speed.median_s)} ({three(1e3 * speed.p95_s)}) @ {speed.length:,}"
        return Entry(words, raw, tuple(dict.fromkeys((*speed.sources, *line.sources))))

    return Cells(f"batch {batch}, ms (p95) @ tokens", entry, hidden="empty")


@cells("config key", is_code=True)
def run_key(line: Line) -> Entry:
    return Entry(line.arm.run_key or MISSING, {"run_key": line.arm.run_key}, line.sources) if line.arm else BLANK


def provenance(key: str, head: str) -> Cells:
    """Of the runs; printed where it differs."""

    def entry(line: Line) -> Entry:
        runs = "; ".join(sorted(set(line.arm.column(key)))) if line.arm and line.arm.n else ""
        text = line.reference.data_key if line.reference and key == "data_key" else runs
        return Entry(runs or MISSING if line.arm else "", {key: text}, line.sources)

    return Cells(head, entry, is_code=True, hidden="same")


@cells("further measures", hidden="always")
def measures(line: Line) -> Entry:
    if line.reference:
        return Entry("", {"detail": line.reference.detail}, line.sources)
    raw: dict[str, Value] = {}
    if line.arm and line.arm.n:
        keys = ("test_examples", *(f"truncated_{split}" for split in SPLITS))
        raw = {name: value for name, value in line.arm.means.items() if name != "accuracy"}
        raw |= {key: int(line.arm.column(key)[0]) for key in keys}
    return Entry("", raw, line.sources)


family = word("family", lambda line: line.family.name if line.family else None)
factor = word("factor", lambda line: line.family.factors.get(line.name) if line.family else None, hidden="empty")
grid = word("grid", lambda line: line.grid.name if line.arm else None)
role = word("role", lambda line: line.role)
