"""Comparisons within each seed, and what they come to over seeds.

A contrast is a weighted sum of arms: one arm less another, the arms with a factor less those without it, an
interaction. Computed within every seed it is one number a seed, independent over seeds and of one spread, however the
arms' spreads differ and whatever a seed does to all arms, or to all arms with a factor. So a t test over seeds holds,
with the seeds less one as its degrees of freedom. Few seeds may agree by chance on a contrast of many noisy arms; so
its error is also worked out from the arms' own spreads (Welch–Satterthwaite), and the wider interval and the larger p
of the two stand. ``docs/method.md`` has what this covers and costs, and why a pooled error was given up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .interval import Interval, has_spread, t_quantile

Values = Mapping[str, Mapping[int, float]]
"""Arm → seed → value."""


@dataclass(frozen=True)
class Estimate:
    """A contrast over seeds, in the unit of the values.

    interval: None where no seed has all arms, without bounds where one has, or where the seeds agree exactly; its
    ``n`` counts seeds. p: two-sided, of a contrast of zero; None where there are no bounds. by_seed: the contrast of
    every seed that has all arms. error: standard error that gives the interval, with the seeds less one as degrees of
    freedom; None where there are no bounds.
    """

    interval: Interval | None
    p: float | None
    by_seed: Mapping[int, float]
    error: float | None = None


def contrast(values: Values, weights: Mapping[str, float]) -> Estimate:
    """Of the arms in ``weights``, which add up to zero, over the seeds that have them all."""
    seeds = sorted(set.intersection(*(set(values.get(arm, {})) for arm in weights))) if weights else []
    if not seeds:
        return Estimate(None, None, {})
    table_SA = np.array([[values[arm][seed] for arm in weights] for seed in seeds])
    weights_A = np.array(list(weights.values()))
    contrasts_S = table_SA @ weights_A
    mean, by_seed = float(contrasts_S.mean()), dict(zip(seeds, contrasts_S.tolist(), strict=True))
    if not has_spread(contrasts_S.tolist()):
        return Estimate(Interval(mean, None, None, len(seeds)), None, by_seed)
    over_seeds = float(contrasts_S.std(ddof=1)) / math.sqrt(len(seeds)), float(len(seeds) - 1)
    errors = (over_seeds, _over_arms(table_SA, weights_A))
    usual = t_quantile(len(seeds) - 1)
    half = max(t_quantile(df) * error for error, df in errors)
    p = max(float(2 * special.stdtr(df, -abs(mean) / error)) for error, df in errors)
    return Estimate(Interval(mean, mean - half, mean + half, len(seeds)), p, by_seed, half / usual)


def difference(values: Values, arm: str, base: str) -> Estimate:
    """``arm − base``, paired by seed."""
    return contrast(values, {arm: 1.0, base: -1.0})


def _over_arms(table_SA: NDArray[np.float64], weights_A: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error and degrees of freedom from the arms' variances, what a seed does to all arms taken out.

    Taking it out leaves (A − 1) / A of a variance, on average over arms. Of two arms the error is that of the seeds.

    Source: F. E. Satterthwaite, "An approximate distribution of estimates of variance components", 1946.
    """
    seeds, arms = table_SA.shape
    centred_SA = table_SA - table_SA.mean(axis=1, keepdims=True)
    parts_A = weights_A**2 * centred_SA.var(axis=0, ddof=1) * arms / (arms - 1) / seeds
    total = float(parts_A.sum())
    return math.sqrt(total), (seeds - 1) * total**2 / float((parts_A**2).sum())
