"""The smallest difference that a design could have found: what "undecided" leaves open."""

from __future__ import annotations

import math

from scipy import stats
from scipy.optimize import brentq

from .interval import LEVEL

POWER = 0.8


def detectable_difference(spread: float, seeds: int) -> float:
    """Smallest true contrast that a two-sided t test at 5 % finds four times in five, in the unit of ``spread``.

    spread: standard deviation over seeds of a contrast, such as a paired difference. seeds: two or more.

    ``spread`` is itself an estimate: with three seeds it is easily wrong by a factor of two, and so is this.
    """
    df = seeds - 1
    critical = float(stats.t.isf((1 - LEVEL) / 2, df))

    def excess(distance: float) -> float:
        # Both tails as upper ones: far out nct.cdf, and with it the power functions of statsmodels, is NaN.
        return float(stats.nct.sf(critical, df, distance) + stats.nct.sf(critical, df, -distance)) - POWER

    high = 1.0
    while excess(high) < 0:
        high *= 2
    return spread / math.sqrt(seeds) * float(brentq(excess, 0.0, high))
