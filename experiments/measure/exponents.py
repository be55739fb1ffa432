"""How a cost grows with length: exponents of power laws, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy import stats

from swarmformer.records import IntervalEstimate, LocalExponent

RESAMPLES = 1000
LEAST_ROUNDS = 5
CONFIDENCE = 0.95


def fitted_exponent(lengths: Sequence[int], costs: Sequence[float]) -> IntervalEstimate:
    """Slope of log cost over log length, least squares, with Student's interval (n − 2 degrees of freedom).

    The interval says how far the points are from one power law: wide where the exponent itself grows. Two
    points have no interval.

    Raises:
        ValueError: fewer than two lengths, or a cost that is not positive.
    """
    if min(costs) <= 0:
        raise ValueError(f"a power law needs positive costs, got {min(costs)}")
    fit = stats.linregress(np.log(lengths), np.log(costs))
    slope, freedom = float(fit.slope), len(lengths) - 2
    if freedom < 1:
        return IntervalEstimate(value=slope, low=None, high=None)
    error = np.nan_to_num(fit.stderr)  # NaN where all costs are the same: an exact fit
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom) * error)
    return IntervalEstimate(value=slope, low=slope - half, high=slope + half)


def local_exponents(samples: Mapping[int, Sequence[float]]) -> tuple[LocalExponent, ...]:
    """Exponent between each length and the next, from the medians of ``samples``; the interval is of timing alone.

    Rounds are drawn anew with replacement (percentile bootstrap); samples of one round stay together, so that
    a slow spell of the machine that hit both lengths cancels.
    """
    return tuple(_local(short, long, samples[short], samples[long]) for short, long in pairwise(sorted(samples)))


def _local(short: int, long: int, few: Sequence[float], many: Sequence[float]) -> LocalExponent:
    step = float(np.log(long / short))
    ratio = median_ratio(many, few)
    low, high = (None if bound is None else float(np.log(bound)) / step for bound in (ratio.low, ratio.high))
    return LocalExponent(shorter=short, longer=long, value=float(np.log(ratio.value)) / step, low=low, high=high)


def median_ratio(costs: Sequence[float], others: Sequence[float]) -> IntervalEstimate:
    """Ratio of the medians of two samples of the same rounds, with a bootstrap interval over the rounds.

    At 5 rounds it covers 93 % instead of 95, at 3 and 2 rounds 73 and 51 %: below 5 there is none.
    """
    above, below = np.asarray(costs), np.asarray(others)
    ratio = float(np.median(above) / np.median(below))
    if len(above) < LEAST_ROUNDS:
        return IntervalEstimate(value=ratio, low=None, high=None)
    rounds = np.random.default_rng(0).integers(len(above), size=(RESAMPLES, len(above)))
    drawn = np.median(above[rounds], axis=1) / np.median(below[rounds], axis=1)
    low, high = np.percentile(drawn, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return IntervalEstimate(value=ratio, low=float(low), high=float(high))
