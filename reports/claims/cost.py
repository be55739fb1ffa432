"""Claims about cost: ratios to ``base`` of FLOPs and seconds at every length, and how FLOPs grow with the length."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..cost_rows import Bounded, Growth
from ..words import ratio
from .decide import Cheaper, Order
from .finding import Context, Finding, Ruling, either, listed, once, untestable

BASE = "base"
LESS, UNDECIDED, NOT_LESS = "less", "undecided", "not less"
AGREES = 0.1
"""By how much the growth of FLOPs may miss the claimed one, relative to it."""
Ratio = Callable[[str, int], Bounded | None]


@dataclass(frozen=True)
class Quantity:
    """FLOPs or seconds of forward passes or training steps: ratios to the base by length; None where one is missing."""

    name: str
    ratios: Mapping[int, Bounded]
    source: str

    @property
    def says(self) -> dict[int, str]:
        """Length → what its interval says."""
        return {length: _less(found) for length, found in self.ratios.items()}

    @property
    def words(self) -> str:
        each = ", ".join(f"{ratio(found.value, found.low, found.high)} at {n:,}" for n, found in self.ratios.items())
        return f"{self.name}: × {each}"


def cheaper(context: Context, rule: Cheaper) -> Finding:
    """Confirmed where every ratio of the deciding quantity is below one beyond its interval, refuted where every one
    is at least one beyond it; else not confirmed. The other quantity is shown and does not decide."""
    found = quantities(context, rule.variant)
    deciding = [quantity for quantity in found if quantity.name.startswith(rule.by)]
    if not deciding:
        return untestable(f"{rule.by} of {rule.variant} were not measured by experiments.scaling")
    said = {word for quantity in deciding for word in quantity.says.values()}
    ruling = {frozenset({LESS}): Ruling.CONFIRMED, frozenset({NOT_LESS}): Ruling.REFUTED}.get(
        frozenset(said), Ruling.NOT_CONFIRMED
    )
    sources = once(quantity.source for quantity in found)
    return Finding(ruling, listed(quantity.words for quantity in found), listed(map(_verdict, deciding)), sources)


def quantities(context: Context, variant: str) -> list[Quantity]:
    """FLOPs and seconds of a forward pass, and of a training step where that was measured."""
    found = []
    for mode, words in (("scaling", "forward"), ("scaling_training", "training")):
        growth, source = context.growth(mode)
        for name, of in (("FLOPs", _flops_ratio), ("seconds", _seconds_ratio)):
            lengths = growth.lengths if growth else []
            ratios = {n: one for n in lengths if growth and (one := of(growth, variant, n)) is not None}
            found += [Quantity(f"{name}, {words}", ratios, source)] if ratios else []
    return found


def _verdict(quantity: Quantity) -> str:
    """``FLOPs, forward: less at 256, 768; not less at 4,096``; the lengths are left out where all say the same."""
    says = quantity.says
    if len(set(says.values())) == 1:
        return f"{quantity.name}: {next(iter(says.values()))} at every length"
    parts = [
        f"{word} at {', '.join(f'{length:,}' for length, said in says.items() if said == word)}"
        for word in (LESS, UNDECIDED, NOT_LESS)
        if word in says.values()
    ]
    return f"{quantity.name}: {', '.join(parts)}"


def _less(found: Bounded) -> str:
    low, high = (found.value if bound is None else bound for bound in (found.low, found.high))
    if high < 1:
        return LESS
    return NOT_LESS if low >= 1 else UNDECIDED


def _flops_ratio(growth: Growth, variant: str, length: int) -> Bounded | None:
    ours, base = growth.at(variant, length), growth.at(BASE, length)
    return Bounded(value=ours.flops / base.flops, low=None, high=None) if ours and base else None


def _seconds_ratio(growth: Growth, variant: str, length: int) -> Bounded | None:
    found = growth.at(variant, length)
    return found.of_first if found else None


def order(context: Context, rule: Order) -> Finding:
    """Whether FLOPs grow with the claimed exponent between the two longest lengths, where the largest term shows."""
    growth, source = context.growth("scaling")
    lengths = growth.lengths[-2:] if growth else []
    points = [point for length in lengths if growth and (point := growth.at(rule.variant, length)) is not None]
    if len(points) < 2:
        return untestable(f"{rule.variant} was not measured at two lengths by experiments.scaling")
    few, many = points
    grown, claimed = many.flops / few.flops, (many.length / few.length) ** rule.exponent
    figures = f"from {few.length:,} to {many.length:,} tokens FLOPs grow {grown:.1f} times"
    agrees = abs(grown / claimed - 1) < AGREES
    return Finding(either(agrees), figures, f"the claim says {claimed:.0f} times", (source,))
