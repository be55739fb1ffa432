"""``published``: numbers as printed beside ours: scores and size from runs of the model, time from measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarmformer.records import FIGURES, GPU, GpuPass, TimedArm

from ..claims.measurements import read_measurements
from ..kinds import Strict
from ..measured import RESULTS, read_gpu, read_speed
from ..published import Number, Published, read_published
from ..recipes import Recipe, as_published, recipes
from ..render.table import Column, Entry, Row, Table
from ..statistics.interval import Interval, accuracy_interval
from ..study.model import GridStudy, Study
from ..words import bounds, engineering, percent, three
from . import table
from .layout import bounds as raw_bounds
from .layout import folded, mean, missing

SCORES = ("accuracy", "precision", "recall", "f1")
AS_PUBLISHED = "selected_on_test"
"""Column of runs: the accuracy of the epoch that is best on test, which the authors' script selects and prints."""
COLUMNS = (
    Column("model", is_code=True), Column("quantity"), Column("published"), Column("document"), Column("ours"),
    Column("ours against published"), Column("n"), Column("grid"), Column("recipe", in_csv_only=True),
)  # fmt: skip


class Timed(Strict):
    """Where a batch of this model was timed: an arm of ``figures.json`` in a folder below reports/results."""

    folder: str
    group: str
    arm: str


@dataclass(frozen=True)
class Ours:
    """What stands beside a published number, and how it was made or why it is missing."""

    entries: tuple[Entry, ...]
    """Ours, ours against published, n, grid."""
    how: str
    recipe: str | None = None
    selected: str = ""
    """What is said of the quantity where ours was selected as the published number was."""


@table("published")
def published(
    study: Study,
    *,
    models: tuple[str, ...],
    quantities: dict[str, str],
    task: str,
    recipe: dict[str, str],
    latency: dict[str, Timed],
    gpu: str,
    properties: str,
) -> list[Table]:
    """One table; runs of unlike recipes stand in rows of their own.

    models: variants, as published.yaml names them. quantities: which of their numbers, in order → how it is called.
    task: of the runs. architecture: published quantity → key of a run's spec that must have that value; whole: key of a
    run's spec → value that it must have (a run on less data reproduces nothing). recipe: key → its name, what a reader
    must know of how a run was trained. latency: model → where a batch was timed; gpu: folder below reports/results of
    a GPU's figures, the same for all models. Raises ReportError where
    published.yaml or a measurement cannot be read.
    """
    known, rows, grids, notes = read_published(), list[Row](), dict[str, GridStudy](), list[str]()
    for model in models:
        found, left_out = recipes(study, model, task, as_published(known, model), recipe)
        notes += left_out
        grids |= {one.grid.name: one.grid for one in found}
        of_model = [number for quantity in quantities for number in known.numbers
                    if (number.model, number.quantity) == (model, quantity)]  # fmt: skip
        made = [(number, ours) for number in of_model
                for ours in _ours(number, found, latency.get(model), gpu, properties)]  # fmt: skip
        rows += [_row(number, quantities[number.quantity], ours, ruled=not place)
                 for place, (number, ours) in enumerate(made)]  # fmt: skip
    warnings, reservations = folded([*grids.values()])
    return [Table("", "", COLUMNS, tuple(rows), warnings, (*_notes(known), *notes, *reservations))]


def _row(number: Number, quantity: str, ours: Ours, *, ruled: bool) -> Row:
    entries = (
        Entry(number.model, {"model": number.model}),
        Entry(f"{quantity}{ours.selected}", {"quantity": f"{quantity}{ours.selected}"}),
        Entry(number.text, {"published": number.plain}, (number.source,)),
        Entry(number.document, {"document": number.document}, (number.source,)),
        *ours.entries,
        Entry("", {"recipe": ours.recipe}),
    )
    where = f"Published in {number.document}: {number.where}. Ours: {ours.how}."
    return Row(entries, (where,), f"{number.model}, {quantity}", ruled)


def _ours(number: Number, found: Sequence[Recipe], timed: Timed | None, gpu: str, properties: str) -> list[Ours]:
    if number.quantity in SCORES and found:
        scores = [_score(number, one, number.quantity) for one in found]
        if number.quantity == "accuracy":
            as_published = [one for one in found if one.arm.runs[AS_PUBLISHED].notna().all()]
            scores += [_score(number, one, AS_PUBLISHED, ", best on test") for one in as_published]
        return scores
    if number.quantity == "parameters":
        return [_parameters(number, properties)]
    if number.quantity in ("batch_latency", "peak_memory"):
        on_cpu = [_latency(number, timed)] if number.quantity == "batch_latency" and timed else []
        return [*on_cpu, *_on_gpu(number, gpu)] or [_nothing("not measured")]
    why = dict.fromkeys(SCORES, "no completed run of this model at its published sizes on the whole data")
    return [_nothing(why.get(number.quantity, "advice: nothing to measure"))]


def _nothing(why: str) -> Ours:
    return Ours((missing("ours", "ours_low", "ours_high"), missing("difference"), missing("n"), Entry("")), why)


def _score(number: Number, one: Recipe, column: str, selected: str = "") -> Ours:
    interval = accuracy_interval(one.arm.runs[column].tolist())
    assert interval is not None  # a recipe has a run
    gap, sources = interval.mean - number.plain, one.arm.sources
    low, high = (None if bound is None else bound - number.plain for bound in (interval.low, interval.high))
    words = f"{percent(gap, '+')} points" + ("" if low is None else f" {bounds(low, high, '+')}")
    return Ours(
        (
            mean("ours", interval, sources),
            Entry(words, {"difference": gap}, (*sources, number.source)),
            Entry(str(interval.n), {"n": interval.n}, sources),
            Entry(one.name, {"grid": one.name}, sources),
        ),
        f"{one.name}: {one.words}",
        one.words,
        selected,
    )


def _parameters(number: Number, properties: str) -> Ours:
    counted = read_measurements(RESULTS, {"properties": properties}).table("properties.parameters")
    rows = counted.where({"variant": number.model}) if counted else ()
    if not rows:
        return _nothing("not counted")
    (row,) = rows
    total, without_embedding = row["total"], row["without_embedding"]
    agrees = abs(total - number.plain) <= number.half_step
    return Ours(
        (
            Entry(f"{total:,} ({without_embedding:,})",
                  {"ours": total, "ours_without_embedding": without_embedding}, (properties,)),
            Entry("agrees as printed" if agrees else f"× {total / number.plain:.3f}",
                  {"difference": total - number.plain}, (properties, number.source)),
            Entry("", {"n": None}),
            Entry("properties", {"grid": "properties"}, (properties,)),
        ),
        "counted in the published arithmetic; in brackets without the embedding",
    )  # fmt: skip


def _latency(number: Number, timed: Timed) -> Ours:
    speed, source = read_speed(RESULTS / timed.folder), f"{timed.folder}/{FIGURES}"
    wanted = (timed.group, timed.arm, number.batch)
    arm = next((one for one in speed.arms if (one.group, one.arm, one.texts) == wanted), None)
    if arm is None:
        return _nothing(f"a batch of {number.batch} texts was not timed")
    median, low, high = (three(1e3 * seconds) for seconds in (arm.median_s, arm.p20_s, arm.p80_s))
    spread, both = Interval(arm.median_s, arm.p20_s, arm.p80_s, arm.repeats), (source, number.source)
    return Ours(
        (
            Entry(f"{median} ms ({low} to {high})", raw_bounds("ours", spread), (source,)),
            Entry(f"× {arm.median_s / number.plain:,.0f}", {"difference": arm.median_s - number.plain}, both),
            Entry(str(arm.repeats), {"n": arm.repeats}, (source,)),
            Entry(timed.folder, {"grid": timed.folder}, (source,)),
        ),
        f"median [p20, p80] on {speed.device}, {timed.arm} arithmetic{_rates(arm, number)}",
    )


def _on_gpu(number: Number, folder: str) -> list[Ours]:
    """Forward passes of the published batch, one for each thing that is computed in."""
    if not (RESULTS / folder).exists():
        return []
    found, source = read_gpu(RESULTS / folder), f"{folder}/{GPU}"
    wanted = (number.model, "forward", number.batch, number.length)
    rows = [row for row in found.rows if (row.variant, row.mode, row.batch, row.length) == wanted]
    return [_gpu_pass(number, row, source, folder, found.gpu.name.removeprefix("cuda: ")) for row in rows]


def _gpu_pass(number: Number, row: GpuPass, source: str, folder: str, card: str) -> Ours:
    both, how = (source, number.source), f"{card}, {row.computes_in}, {row.way}"
    if number.quantity == "peak_memory":
        cell = Entry(f"{row.peak_bytes / 1e9:.2f} GB", {"ours": row.peak_bytes}, (source,))
        against, gap = f"× {row.peak_bytes / number.plain:.2f}", row.peak_bytes - number.plain
        how = f"peak of PyTorch's memory, {how}"
    else:
        low, high = (f"{1e3 * seconds:.2f}" for seconds in (row.p20_s, row.p80_s))
        spread = raw_bounds("ours", Interval(row.median_s, row.p20_s, row.p80_s, row.repeats))
        cell = Entry(f"{1e3 * row.median_s:.2f} ms ({low} to {high})", spread, (source,))
        against, gap = f"× {row.median_s / number.plain:.2f}", row.median_s - number.plain
        how = f"median [p20, p80], our code, {how}, at {100 * row.share_of_limit:.0f} % of the card's limit"
    where = Entry(folder, {"grid": folder}, (source,))
    count = Entry(str(row.repeats), {"n": row.repeats}, (source,))
    return Ours((cell, Entry(against, {"difference": gap}, both), count, where), how)


def _rates(arm: TimedArm, number: Number) -> str:
    """What both times come to in operations per second."""
    if arm.flops is None:
        return ""
    ours, theirs = engineering(arm.flops / arm.median_s), engineering(arm.flops / number.plain)
    return f"; {ours}FLOP/s, published would be {theirs}FLOP/s"


def _notes(known: Published) -> list[str]:
    documents = {number.document for number in known.numbers if number.model.startswith("original")}
    said = [f"{key}: {document.title}" for key, document in known.documents.items() if key in documents]
    return [f"Documents: {'; '.join(said)}."]
