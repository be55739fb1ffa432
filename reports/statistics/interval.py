"""Means and shares, each with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from swarmformer.scores import wilson_interval

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its interval; ``low`` and ``high`` are None where ``n`` is 1, or no spread was observed.

    Not symmetric for accuracies.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def negated(self) -> Interval:
        """Of minus the mean."""
        low, high = (None if bound is None else -bound for bound in (self.high, self.low))
        return Interval(-self.mean, low, high, self.n)

    @property
    def half(self) -> float | None:
        """Half the width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def t_quantile(df: float, level: float = LEVEL) -> float:
    """Half the width of an interval of that level, in standard errors."""
    # Not stats.t.ppf, which takes a tenth of a millisecond: a study asks for thousands.
    return float(special.stdtrit(df, (1 + level) / 2))


def has_spread(values: Sequence[float]) -> bool:
    """Whether values differ by more than rounding."""
    return len(values) > 1 and float(np.ptp(values)) > 1e-12 * max(1.0, float(np.max(np.abs(values))))


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Student-t interval of a mean over independent runs.

    None without values; without bounds for one, and where all agree: no spread observed is no certainty.
    """
    n = len(values)
    if n == 0:
        return None
    mean = float(np.mean(values))
    if not has_spread(values):
        return Interval(mean, None, None, n)
    half = t_quantile(n - 1) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def accuracy_interval(shares: Sequence[float]) -> Interval | None:
    """Interval of the mean of shares over independent runs, inside 0 to 1; None and without bounds as for a mean.

    Student-t on the log-odds of the mean, whose error follows from that of the mean (delta method): symmetric near
    one half, longer towards the middle near 0 and 1, where values are skewed. What it covers: ``docs/method.md``.
    """
    interval = mean_interval(shares)
    if interval is None or interval.half is None:
        return interval
    mean = interval.mean
    half = interval.half / (mean * (1 - mean))
    low, high = special.expit(special.logit(mean) + np.array([-half, half]))
    return Interval(mean, float(low), float(high), interval.n)


def at_level(interval: Interval, level: float) -> Interval:
    """An ``accuracy_interval`` with bounds, of another level."""
    mean, *bounds = special.logit([interval.mean, interval.low, interval.high])
    wider = t_quantile(interval.n - 1, level) / t_quantile(interval.n - 1)
    low, high = special.expit(mean + wider * (np.array(bounds) - mean))
    return Interval(interval.mean, float(low), float(high), interval.n)


def within(interval: Interval | None, low: float, high: float) -> Interval | None:
    """The part of an interval that is possible."""
    if interval is None or interval.low is None or interval.high is None:
        return interval
    return Interval(interval.mean, max(interval.low, low), min(interval.high, high), interval.n)


def wilson(share: float, n: int) -> Interval:
    """Wilson score interval of a share of ``n`` independent examples."""
    return Interval(share, *wilson_interval(round(share * n), n), n)


def over_examples(share: Interval, n: int) -> Interval:
    """The interval of a mean share over runs, tested on the same ``n`` examples, for other examples too: Wilson's for
    these examples is added to it, in squares; without bounds where it has none."""
    if share.low is None or share.high is None:
        return share
    drawn = wilson(share.mean, n)
    low, high = ((drawn.mean - (drawn.low or 0.0)), ((drawn.high or 1.0) - drawn.mean))
    low, high = math.hypot(share.mean - share.low, low), math.hypot(share.high - share.mean, high)
    return Interval(share.mean, max(0.0, share.mean - low), min(1.0, share.mean + high), share.n)


def independent_difference(a: Interval, b: Interval) -> Interval:
    """``a − b`` of two estimates that were made apart, from their intervals; without bounds where one has none.

    Takes the two as independent: where they share examples, and so rise and fall together, it is too wide, which is
    the safe side, as long as both intervals are over examples (``over_examples``). ``n`` is that of ``a``. For two
    shares with Wilson intervals it is Newcombe's interval.

    Source: G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general approach",
    2008; R. G. Newcombe, "Interval estimation for the difference between independent proportions", 1998.
    """
    mean = a.mean - b.mean
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Interval(mean, None, None, a.n)
    low = mean - math.hypot(a.mean - a.low, b.high - b.mean)
    return Interval(mean, low, mean + math.hypot(a.high - a.mean, b.mean - b.low), a.n)
