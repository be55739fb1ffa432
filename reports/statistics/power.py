"""The smallest difference that a design could have found: what "undecided" leaves open."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

from scipy import stats
from scipy.optimize import brentq

from .contrast import Estimate
from .verdict import ALPHA

POWER = 0.8
MOST = 1_000
"""Seeds that are looked through."""
FAR = 1_000.0
"""A critical value beside which the noise of a mean counts for nothing, only that of its error."""


def detectable_difference(error: float, seeds: int, comparisons: int = 1) -> float:
    """Smallest true contrast that a two-sided t test at 5 % finds four times in five, in the unit of ``error``.

    error: standard error of the contrast, with ``seeds`` − 1 degrees of freedom. seeds: two or more. comparisons: of
    the family; the level is that of Holm's first step, so that it is found even where it is the only one.

    ``error`` is itself an estimate: with three seeds it is easily wrong by a factor of two, and so is this.
    """
    return error * _in_errors(seeds, comparisons)


def needed_seeds(error: float, seeds: int, comparisons: int, difference: float) -> int | None:
    """Least number of seeds with which a true ``difference`` would be found four times in five, if further seeds spread
    as these do; None where that is more than ``MOST``. Arguments are those of ``detectable_difference``."""

    def is_enough(count: int) -> bool:
        return detectable_difference(error * math.sqrt(seeds / count), count, comparisons) <= difference

    counts = range(2, MOST + 1)
    return counts[bisect_left(counts, True, key=is_enough)] if is_enough(MOST) else None


def detectable_range(estimates: Sequence[Estimate]) -> tuple[float, float] | None:
    """The least and the most of what the contrasts of a family could have found, each by its own error; None where
    none was tested."""
    tested = [(each.error, len(each.by_seed)) for each in estimates if each.error is not None]
    found = [detectable_difference(error, seeds, len(tested)) for error, seeds in tested]
    return (min(found), max(found)) if found else None


@cache
def _in_errors(seeds: int, comparisons: int) -> float:
    df = seeds - 1
    critical = float(stats.t.isf(ALPHA / comparisons / 2, df))
    if critical > FAR:
        return critical * math.sqrt(float(stats.chi2.ppf(POWER, df)) / df)

    def excess(distance: float) -> float:
        # Both tails as upper ones: far out nct.cdf, and with it the power functions of statsmodels, is NaN.
        return float(stats.nct.sf(critical, df, distance) + stats.nct.sf(critical, df, -distance)) - POWER

    high = 1.0
    while excess(high) < 0:
        high *= 2
    return float(brentq(excess, 0.0, high))
