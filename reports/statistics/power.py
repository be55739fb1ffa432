"""The smallest difference that a design could have found: what "undecided" leaves open."""

from __future__ import annotations

import math

from scipy import stats
from scipy.optimize import brentq

from .interval import LEVEL

POWER = 0.8


def detectable_difference(spread: float, seeds: int, *, power: float = POWER, level: float = LEVEL) -> float | None:
    """Smallest true contrast that a two-sided t test at ``1 − level`` finds with ``power``, in the unit of ``spread``.

    spread: standard deviation over seeds of a contrast, such as a paired difference. None below two seeds. Raises
    ValueError for a negative ``spread``, or a rate outside (0, 1).

    ``spread`` is itself an estimate: with three seeds it is easily wrong by a factor of two, and so is this.
    """
    if spread < 0 or not math.isfinite(spread):
        raise ValueError("a standard deviation must be finite and not negative")
    if not (0 < level < 1 and 1 - level < power < 1):
        raise ValueError(f"level must be in (0, 1) and power between 1 − level and 1, got {level=}, {power=}")
    return spread / math.sqrt(seeds) * _noncentrality(seeds - 1, power, 1 - level) if seeds > 1 else None


def _noncentrality(df: int, power: float, alpha: float) -> float:
    """Difference over its standard error at which the test has that power."""
    critical = float(stats.t.isf(alpha / 2, df))

    def excess(distance: float) -> float:
        # Both tails as upper ones: far out nct.cdf, and with it the power functions of statsmodels, is NaN.
        return float(stats.nct.sf(critical, df, distance) + stats.nct.sf(critical, df, -distance)) - power

    high = 1.0
    while excess(high) < 0:
        high *= 2
    return float(brentq(excess, 0.0, high))
