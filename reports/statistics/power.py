"""The smallest difference that a design could have found: what "undecided" leaves open."""

from __future__ import annotations

import math

from scipy import stats
from scipy.optimize import brentq

from .interval import LEVEL

POWER = 0.8


def detectable_difference(
    sd: float, n: int, *, power: float = POWER, level: float = LEVEL, paired: bool = True
) -> float | None:
    """Smallest true difference that a two-sided t test at ``1 − level`` finds with ``power``, in the unit of ``sd``.

    paired: ``sd`` of the differences between two arms, over ``n`` seeds; else ``sd`` of one run, with ``n`` runs in
    each of two arms. None where ``n`` is below 2. Raises ValueError for a negative ``sd``, or a rate outside (0, 1).

    ``sd`` is itself an estimate: with three seeds it is easily wrong by a factor of two, and so is this.
    """
    df, error = (n - 1, sd / math.sqrt(max(n, 1))) if paired else (2 * (n - 1), sd * math.sqrt(2 / max(n, 1)))
    return _detectable(error, df, power, level)


def detectable_effect(sd: float, n: int, df: int, *, power: float = POWER, level: float = LEVEL) -> float | None:
    """The same for an effect of a two-level factorial design, from the residual (``effects.residual_noise``).

    sd: standard deviation of the residual, ``df`` its degrees of freedom; n: runs, half of them at each level, so
    that an effect's standard error is ``2 sd / √n``. In a grid with missing runs it is a little larger than that.
    None where ``df`` is 0.
    """
    return _detectable(2 * sd / math.sqrt(max(n, 1)), df, power, level)


def _detectable(error: float, df: int, power: float, level: float) -> float | None:
    if error < 0 or not math.isfinite(error):
        raise ValueError("a standard deviation must be finite and not negative")
    if not (0 < level < 1 and 1 - level < power < 1):
        raise ValueError(f"level must be in (0, 1) and power between 1 − level and 1, got {level=}, {power=}")
    return error * _noncentrality(df, power, 1 - level) if df >= 1 else None


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
