"""Published numbers beside ours: scores and size from runs of the same model, time from measurements of cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..cost_speed import Arm, read_speed
from ..definition import Definition
from ..evidence import Evidence
from ..published import Number, Published, read_published
from ..recipes import Recipe, recipes
from ..sheet import MISSING, Column, Entry, Sheet
from ..statistics.interval import Interval, mean_interval
from ..view import view
from ..words import bounds, engineering, percent, three
from .cost import RESULTS
from .entries import interval_raw, label, mean, missing
from .options import Options, read_options

SCORES = ("accuracy", "precision", "recall", "f1")


class Timed(Options):
    """Where a batch of this model was timed: an arm of ``figures.json`` in a folder below reports/results."""

    folder: str
    group: str
    arm: str


class PublishedOptions(Options):
    """models: variants, as published.yaml names them. quantities: which of their numbers, in order → how it is called.

    task: of the runs. architecture: published quantity → key of a run's spec that must have that value; whole: key of
    a run's spec → value that it must have (a run on less data reproduces nothing). recipe: key → its name, what a
    reader must know of how a run was trained. latency: model → where a batch was timed.
    """

    models: tuple[str, ...]
    quantities: dict[str, str]
    task: str
    architecture: dict[str, str]
    whole: dict[str, int | float | str | bool]
    recipe: dict[str, str]
    latency: dict[str, Timed]


def published(evidence: Evidence, definition: Definition) -> list[Sheet]:
    """One sheet; runs of unlike recipes stand in rows of their own.

    Raises ReportError where published.yaml or a measurement cannot be read.
    """
    options, known = read_options(definition, PublishedOptions), read_published()
    seen = [view(evidence, grid) for grid in evidence.grids]
    rows: list[tuple[Entry, ...]] = []
    notes: list[str] = []
    warnings: list[str] = []
    rules = []
    for model in options.models:
        rules.append(len(rows))
        fit = _wanted(options, known, model)
        found, left_out = recipes(seen, model, options.task, fit, options.recipe)
        notes += left_out
        used = {recipe.grid for recipe in found}
        warnings += [f"Grid {one.grid.name}: {said}" for one in seen if one.grid.name in used for said in one.warnings]
        for number in _numbers(known, model, options):
            rows += _rows(options, number, found)
    return [
        Sheet(
            name=definition.name,
            title=definition.title,
            columns=_columns(),
            rows=tuple(rows),
            rules=frozenset(rules[1:]),
            warnings=tuple(dict.fromkeys(warnings)),
            notes=(*_notes(known), *notes),
        )
    ]


def _columns() -> tuple[Column, ...]:
    return (
        Column(("model",), is_code=True),
        Column(("quantity",)),
        Column(("published",)),
        Column(("document",)),
        Column(("reproduced", "(95 % interval)")),
        Column(("reproduced", "against published")),
        Column(("n",)),
        Column(("how ours was made, or why it is missing",)),
    )


def _wanted(options: PublishedOptions, known: Published, model: str) -> Mapping[str, object]:
    """Key of a spec → the value that makes it the published model on the whole data."""
    numbers = known.of(model)
    return {key: numbers[name].value for name, key in options.architecture.items()} | options.whole


def _numbers(known: Published, model: str, options: PublishedOptions) -> list[Number]:
    mine = [number for number in known.numbers if number.model == model]
    return [number for quantity in options.quantities for number in mine if number.quantity == quantity]


def _rows(options: PublishedOptions, number: Number, found: Sequence[Recipe]) -> list[tuple[Entry, ...]]:
    head = (
        label("model", number.model),
        label("quantity", options.quantities[number.quantity]),
        Entry(number.text, {"published": number.plain}, (number.source,)),
        Entry(f"{number.document}: {number.where}", {"document": number.document}, (number.source,)),
    )
    if number.quantity in SCORES and found:
        return [(*head, *_score(number, recipe)) for recipe in found]
    if number.quantity == "parameters" and found:
        return [(*head, *_parameters(number, found[0]))]
    if number.quantity == "batch_latency" and number.model in options.latency:
        return [(*head, *_latency(number, options.latency[number.model]))]
    return [(*head, missing("ours", "ours_low", "ours_high"), missing("difference"), missing("n"), _why(number))]


def _why(number: Number) -> Entry:
    if number.quantity in (*SCORES, "parameters"):
        return Entry("no completed run of this model at its published sizes on the whole data")
    if number.quantity == "batch_latency":
        return Entry(f"a batch of {number.batch} texts was not timed")
    return Entry("not measured: the figure is of another device")


def _score(number: Number, recipe: Recipe) -> tuple[Entry, ...]:
    interval = mean_interval(recipe.runs[number.quantity].tolist())
    assert interval is not None  # a recipe has a run
    gap = interval.mean - number.plain
    low, high = (None if one is None else one - number.plain for one in (interval.low, interval.high))
    words = f"{percent(gap, '+')} points" + ("" if low is None else f" {bounds(low, high, '+')}")
    return (
        mean("ours", interval, recipe.sources),
        Entry(words, {"difference": gap}, (*recipe.sources, number.source)),
        Entry(str(interval.n), {"n": interval.n}, recipe.sources),
        Entry(f"{recipe.grid}: {recipe.words}", {"recipe": recipe.words}, recipe.sources),
    )


def _parameters(number: Number, recipe: Recipe) -> tuple[Entry, ...]:
    first = recipe.runs.iloc[0]
    total, without = int(first["parameters_total"]), int(first["parameters_without_embedding"])
    raw = {"ours": total, "ours_without_embedding": without}
    agrees = abs(total - number.plain) <= number.half_step
    return (
        Entry(f"{total:,} ({without:,} without embedding)", raw, recipe.sources),
        Entry("agrees as printed" if agrees else f"× {total / number.plain:.3f}",
              {"difference": total - number.plain}, (*recipe.sources, number.source)),
        Entry("", {"n": None}),
        Entry(f"counted in {recipe.grid}", {"recipe": None}, recipe.sources),
    )  # fmt: skip


def _latency(number: Number, timed: Timed) -> tuple[Entry, ...]:
    speed = read_speed(RESULTS / timed.folder)
    source = f"{timed.folder}/figures.json"
    wanted = (timed.group, timed.arm, number.batch)
    arm: Arm | None = next((one for one in speed.arms if (one.group, one.arm, one.texts) == wanted), None)
    if arm is None:
        return (missing("ours", "ours_low", "ours_high"), missing("difference"), missing("n"), _why(number))
    found = Interval(arm.median_s, arm.p20_s, arm.p80_s, arm.repeats)
    median, low, high = (three(1e3 * seconds) for seconds in (arm.median_s, arm.p20_s, arm.p80_s))
    raw, both = {"difference": arm.median_s - number.plain}, (source, number.source)
    return (
        Entry(f"{median} ms (median; p20 to p80 {low} to {high})", interval_raw("ours", found), (source,)),
        Entry(f"× {arm.median_s / number.plain:,.0f}", raw, both),
        Entry(str(arm.repeats), {"n": arm.repeats}, (source,)),
        Entry(f"{speed.device}, {timed.arm} arithmetic{_rates(arm, number)}", {"recipe": None}, both),
    )


def _rates(arm: Arm, number: Number) -> str:
    """What both times come to in operations per second."""
    if arm.flops is None:
        return ""
    ours, theirs = engineering(arm.flops / arm.median_s), engineering(arm.flops / number.plain)
    return f"; {ours}FLOP/s, published would be {theirs}FLOP/s"


def _notes(known: Published) -> list[str]:
    documents = {number.document for number in known.numbers if number.model.startswith("original")}
    said = [f"{key}: {document.title}" for key, document in known.documents.items() if key in documents]
    return [
        "Published: as printed. Reproduced: mean ± 95 % Student-t interval over seeds (n); the published numbers have "
        "no interval. Only runs of the published sizes on the whole task count; unlike recipes are rows of their own. "
        f"{MISSING}: not measured.",
        "Times are of another machine than the published ones: they say what the work is, not who is faster.",
        f"Documents: {'; '.join(said)}.",
    ]
