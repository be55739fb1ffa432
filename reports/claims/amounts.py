"""Amounts with the bounds that rounding or a measurement leaves them: four operations and three comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import add, mul, sub, truediv

from ..words import engineering, percent

OPERATIONS: Mapping[str, Callable[[float, float], float]] = {
    "sum": add, "difference": sub, "product": mul, "ratio": truediv,
}  # fmt: skip


@dataclass(frozen=True)
class Amount:
    """A value between its bounds; of a count and a closed form these are the value itself."""

    value: float
    low: float
    high: float
    sources: tuple[str, ...] = ()

    @classmethod
    def exact(cls, value: float, *sources: str) -> Amount:
        return cls(value, value, value, sources)

    @classmethod
    def between(cls, value: float, low: float | None, high: float | None) -> Amount:
        """An estimate; without bounds nothing is known of where it ends, and nothing follows from it."""
        return cls(value, -math.inf if low is None else low, math.inf if high is None else high)

    def __format__(self, spec: str) -> str:
        """``si``: three digits with a prefix; ``percent``: of a share, two decimals; else Python's."""
        if spec == "percent":
            return percent(self.value)
        return engineering(self.value) if spec == "si" else format(self.value, spec).replace("%", " %")


def combine(operation: str, terms: list[Amount]) -> Amount:
    """The terms from left to right. The bounds are those of independent terms (interval arithmetic).

    Raises ZeroDivisionError.
    """
    return reduce(lambda left, right: _combined(OPERATIONS[operation], left, right), terms)


def _combined(operation: Callable[[float, float], float], left: Amount, right: Amount) -> Amount:
    ends = [operation(a, b) for a, b in product((left.low, left.high), (right.low, right.high))]
    sources = tuple(dict.fromkeys((*left.sources, *right.sources)))
    return Amount(operation(left.value, right.value), min(ends), max(ends), sources)


def above(amount: Amount, limit: Amount) -> bool | None:
    """None where the bounds leave it open."""
    if amount.low > limit.high:
        return True
    return False if amount.high <= limit.low else None


def below(amount: Amount, limit: Amount) -> bool | None:
    """None where the bounds leave it open."""
    return above(limit, amount)


def at_most(amount: Amount, limit: Amount) -> bool | None:
    """None where the bounds leave it open."""
    larger = above(amount, limit)
    return None if larger is None else not larger


def agrees(amount: Amount, other: Amount) -> bool:
    """Whether both can be the same number."""
    return amount.low <= other.high and other.low <= amount.high


COMPARISONS: Mapping[str, Callable[[Amount, Amount], bool | None]] = {
    "above": above, "below": below, "at_most": at_most, "agrees_with": agrees,
}  # fmt: skip
