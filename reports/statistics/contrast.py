"""Comparisons within each seed, and a t test over seeds of what they come to.

A contrast is a weighted sum of arms: one arm less another, the arms with a factor less those without it, an
interaction. Computed within every seed it is one number a seed, independent over seeds and with one spread, however
the arms' spreads differ and whatever a seed does to all arms, or to all arms with a factor. So the t interval over
seeds is exact for normal values, with the seeds less one as its degrees of freedom. ``docs/method.md`` has what other
errors cover, and what this one costs in power.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .interval import Interval, has_spread, mean_interval

Values = Mapping[str, Mapping[int, float]]
"""Arm → seed → value."""


@dataclass(frozen=True)
class Estimate:
    """A contrast over seeds. interval: None where no seed has all arms, without bounds where one has, or where the
    seeds agree exactly; ``n`` of it: seeds. p: two-sided, of a mean of zero; None where there are no bounds.
    by_seed: the contrast of every seed that has all arms."""

    interval: Interval | None
    p: float | None
    by_seed: Mapping[int, float]


def contrast(values: Values, weights: Mapping[str, float]) -> Estimate:
    """Of the arms with a weight, over the seeds that have them all."""
    arms = [arm for arm, weight in weights.items() if weight]
    seeds = set.intersection(*(set(values.get(arm, {})) for arm in arms)) if arms else set()
    by_seed = {seed: float(sum(weights[arm] * values[arm][seed] for arm in arms)) for seed in sorted(seeds)}
    return estimate(by_seed)


def estimate(by_seed: Mapping[int, float]) -> Estimate:
    """Mean, interval and p over seeds."""
    values = list(by_seed.values())
    p = float(stats.ttest_1samp(values, 0.0).pvalue) if has_spread(values) else None
    return Estimate(mean_interval(values), p, by_seed)


def difference(values: Values, arm: str, base: str) -> Estimate:
    """``arm − base``, paired by seed."""
    return contrast(values, {arm: 1.0, base: -1.0})


def pooled_spread(estimates: Sequence[Estimate]) -> float | None:
    """Standard deviation over seeds, pooled over contrasts; None where none has two seeds."""
    several = [list(each.by_seed.values()) for each in estimates if len(each.by_seed) > 1]
    if not several:
        return None
    squares = sum(float(np.var(values)) * len(values) for values in several)
    return float(np.sqrt(squares / sum(len(values) - 1 for values in several)))
