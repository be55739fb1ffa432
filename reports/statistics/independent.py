"""Differences of two estimates that were made apart, from their own intervals."""

from __future__ import annotations

import math

from .interval import Interval


def independent_difference(a: Interval, b: Interval) -> Interval:
    """``a − b``, with the interval that follows from those of the two; without bounds where one has none.

    Takes the two as independent: where they share examples, and so rise and fall together, it is too wide, which is
    the safe side. ``n`` is that of ``a``. For two shares with Wilson intervals it is Newcombe's interval.

    Source: G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general approach",
    2008; R. G. Newcombe, "Interval estimation for the difference between independent proportions", 1998.
    """
    mean = a.mean - b.mean
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return Interval(mean, None, None, a.n)
    low = mean - math.hypot(a.mean - a.low, b.high - b.mean)
    high = mean + math.hypot(a.high - a.mean, b.mean - b.low)
    return Interval(mean, low, high, a.n)
