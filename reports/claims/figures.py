"""Claims that are a published figure: accuracy, scores, time, memory, parameters, and the floors below it."""

from __future__ import annotations

from dataclasses import dataclass

from ..published import Number
from ..recipes import Recipe, recipes
from ..statistics.interval import Interval, mean_interval, wilson
from ..words import engineering, percent, plural, with_bounds
from .decide import BeatsFloors, Consistent, CountedParameters, Memory, Reproduced, WithinPeak
from .finding import MEASURED, NO_PROPERTIES, Context, Finding, Ruling, either, listed, once, untestable
from .properties import PeakMemory

WHOLE: dict[str, object] = {"data.task.limit": 0}
SHOWN = {"train.epochs": "epochs", "train.precision": "precision"}


def reproduced(context: Context, rule: Reproduced) -> Finding:
    """Confirmed where the interval of a recipe's runs reaches the published accuracy; a lower one does not refute it,
    as the training is not published in full."""
    number, found = context.published.number(rule.number), _runs(context, rule.variant, rule.task)
    if not found:
        return untestable(f"no completed run of {rule.variant} on the whole of {rule.task} in this evidence")
    reached = [recipe for recipe in found if _reaches(_accuracy(recipe), number)]
    ruling = Ruling.CONFIRMED if reached else Ruling.NOT_CONFIRMED
    shown = listed(f"{with_bounds(_accuracy(recipe))} ({_recipe(recipe)})" for recipe in found)
    below = "our training stays below it, which refutes nothing: the published one, with augmentation, is another"
    why = "our interval reaches the published figure" if reached else below
    return Finding(ruling, shown, why, once(source for recipe in found for source in recipe.sources))


def _runs(context: Context, variant: str, task: str) -> list[Recipe]:
    return recipes(context.views, variant, task, WHOLE, SHOWN)[0]


def _recipe(recipe: Recipe) -> str:
    return f"{recipe.grid}, {plural(len(recipe.runs), 'seed')}: {recipe.words}"


def _accuracy(recipe: Recipe) -> Interval:
    """Over seeds; of a single run, over the examples."""
    interval = mean_interval(recipe.runs["accuracy"].tolist())
    assert interval is not None  # a recipe has a run
    return interval if interval.n > 1 else wilson(interval.mean, int(recipe.runs["test_examples"].iloc[0]))


def _reaches(interval: Interval, number: Number) -> bool:
    return interval.high is not None and interval.high >= number.plain - number.half_step


def consistent(context: Context, rule: Consistent) -> Finding:
    """Refuted where the four cannot be of one confusion matrix with as many positives as negatives, to their printed
    digits. That they can is no reproduction."""
    precision, recall, f1, accuracy = (context.published.number(key) for key in rule.numbers)
    p, r = precision.plain, recall.plain
    implied_f1, implied_accuracy = 2 * p * r / (p + r), (1 + r - r * (1 - p) / p) / 2
    figures = f"precision and recall imply F1 {percent(implied_f1)} and accuracy {percent(implied_accuracy)} %"
    # One step of the last digit more than rounding of the figure itself: p and r are rounded as well.
    fits = all(
        abs(number.plain - implied) <= 3 * number.half_step
        for number, implied in ((f1, implied_f1), (accuracy, implied_accuracy))
    )
    sources = tuple(context.published.number(key).source for key in rule.numbers)
    if not fits:
        return Finding(Ruling.REFUTED, figures, "they contradict one another", sources)
    return Finding(
        Ruling.UNTESTABLE, figures, "they agree with one another; the published weights were not evaluated", sources
    )


def within_peak(context: Context, rule: WithinPeak) -> Finding:
    """Refuted where the time implies more operations a second than the card can do."""
    number, peak = context.published.number(rule.number), context.published.number(rule.peak)
    rows = context.properties.flops if context.properties else ()
    flops = next((row.total for row in rows if (row.variant, row.length) == (number.model, number.length)), None)
    if flops is None:
        return NO_PROPERTIES
    rate, least, work = _rates(number, flops, rule.texts)
    figures = f"{work}, so {engineering(rate)}FLOP/s; the card's peak in fp32 is {engineering(peak.plain)}FLOP/s"
    sources = (*MEASURED, number.source, peak.source)
    if least > peak.plain:
        why = f"{rate / peak.plain:.1f} times the peak: the work cannot have been done in that time"
        return Finding(Ruling.REFUTED, figures, why, sources)
    return Finding(Ruling.UNTESTABLE, figures, "possible; the card was not at hand", sources)


def _rates(number: Number, flops: int, texts: int | None) -> tuple[float, float, str]:
    """Operations a second as printed, and the fewest that are printed so; and what they are of."""
    if number.quantity == "texts_per_second":
        rate, least = (flops * texts_per_s for texts_per_s in (number.plain, number.plain - number.half_step))
        return rate, least, f"{engineering(flops)}FLOP a text"
    count = texts or number.batch or 1
    rate, least = (flops * count / seconds for seconds in (number.plain, number.plain + number.half_step))
    return rate, least, f"{count:,} texts are {engineering(flops * count)}FLOP"


def memory(context: Context, rule: Memory) -> Finding:
    """A figure of a GPU: what the CPU took for the same batch stands beside it and decides nothing."""
    number = context.published.number(rule.number)
    rows = [row for row in (context.properties.memory if context.properties else ()) if row.variant == number.model]
    if not rows:
        return NO_PROPERTIES
    figures = listed(_taken(row, number.batch) for row in rows)
    return Finding(Ruling.UNTESTABLE, figures, "a figure of a GPU; ours are of a process on the CPU", MEASURED)


def _taken(row: PeakMemory, batch: int | None) -> str:
    path = "fast paths" if row.fast else "every operation written out"
    found = f"{row.mode}, {path}: {row.peak_bytes / 1e9:.2f} GB at batch {row.batch}"
    if batch is None or row.batch == batch:
        return found
    scaled = row.peak_bytes + row.growth_bytes * (batch / row.batch - 1)
    return f"{found}, by arithmetic {scaled / 1e9:.1f} GB at {batch}"


def parameters(context: Context, rule: CountedParameters) -> Finding:
    """Counted, to the printed digits."""
    number = context.published.number(rule.number)
    rows = context.properties.parameters if context.properties else ()
    size = next((row for row in rows if row.variant == number.model), None)
    if size is None:
        return NO_PROPERTIES
    agrees = abs(size.total - number.plain) <= number.half_step
    figures = f"{size.total:,} ({size.without_embedding:,} without the embedding table)"
    return Finding(either(agrees), figures, "counted in the published arithmetic", (*MEASURED, number.source))


@dataclass(frozen=True)
class Line:
    """A predictor that was measured once, with the Wilson interval over its examples."""

    name: str
    interval: Interval
    source: str

    @property
    def words(self) -> str:
        return f"{self.name} {with_bounds(self.interval)}"


def beats_floors(context: Context, rule: BeatsFloors) -> Finding:
    """Refuted where a floor is better beyond its interval, on as many test examples as were published."""
    number, lines = context.published.number(rule.number), _floors(context, rule)
    if not lines:
        return untestable(f"no floors of {rule.task} on its {rule.examples:,} test examples in this evidence")
    sources = (*once(line.source for line in lines), number.source)
    above = [line.name for line in lines if line.interval.low is not None and line.interval.low > number.plain]
    below = [line.name for line in lines if line.interval.high is not None and line.interval.high < number.plain]
    ruling = Ruling.REFUTED if above else Ruling.CONFIRMED if len(below) == len(lines) else Ruling.NOT_CONFIRMED
    why = f"above the published {number.text}: {', '.join(above) or 'none'}; below it: {', '.join(below) or 'none'}"
    return Finding(ruling, listed(line.words for line in lines), why, sources)


def _floors(context: Context, rule: BeatsFloors) -> list[Line]:
    """Of the whole test split; of one name, the first."""
    found: dict[str, Line] = {}
    for grid in context.evidence.grids:
        if grid.floors is not None and grid.floors.task == rule.task:
            for floor in grid.floors.floors:
                if (floor.kind, floor.split, floor.n) == ("floor", "test", rule.examples):
                    line = Line(floor.name, wilson(floor.accuracy, floor.n), f"{grid.folder.name}/floors.json")
                    found.setdefault(floor.name, line)
    return list(found.values())
