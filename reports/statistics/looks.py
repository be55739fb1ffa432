"""p and intervals of contrasts of grids to which seeds were added after others could be seen.

The seeds between two looks are a stage. Each stage has a t test of its own; their normal scores, added up with equal
weights, are one statistic at every look. Its p is how often the largest over all looks would be as large without any
effect: it holds although somebody could have stopped at each of them, and whatever made them go on. The interval is
of all effects that such a test does not refuse. A stage of one seed, or whose seeds agree, has no test and adds none.

Sources: W. Lehmacher and G. Wassmer, "Adaptive sample size calculations in group sequential trials", 1999 (inverse
normal scores of stages); C. Jennison and B. W. Turnbull, "Repeated confidence intervals for group sequential clinical
trials", 1984 (p and intervals over looks); P. Armitage, C. K. McPherson and B. C. Rowe, "Repeated significance tests on
accumulating data", 1969 (the recursion).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from scipy import optimize, special

from .contrast import Estimate
from .interval import LEVEL, has_spread

Looks = Sequence[Collection[int]]
"""For each time that seeds were added, in order: the seeds of which something could be seen."""
POINTS = 64
"""Of Gauss–Legendre quadrature; 32 give the same twelve digits."""


def allowing_for(estimate: Estimate, looks: Looks) -> Estimate:
    """The same with the p and the interval that allow for looks, where those are the larger and the wider.

    As it is where nothing was looked at. Where no stage has a test nothing is excluded: p is 1, the bounds infinite.
    """
    stages, interval = stages_of(estimate.by_seed, looks), estimate.interval
    if len(stages) < 2 or estimate.p is None or interval is None or interval.low is None or interval.high is None:
        return estimate
    tested = [stage for stage in stages if has_spread(stage)]
    low, high = bounds_over_looks(tested)
    wide = replace(interval, low=min(low, interval.low), high=max(high, interval.high))
    return replace(estimate, p=max(estimate.p, p_over_looks(tested)), interval=wide)


def stages_of(by_seed: Mapping[int, float], looks: Looks) -> list[list[float]]:
    """The contrast's values at the seeds before the first look, between looks and after the last; none is empty."""
    stages, rest = [], dict(by_seed)
    for look in looks:
        stages.append([rest.pop(seed) for seed in sorted(rest.keys() & set(look))])
    return [stage for stage in (*stages, list(rest.values())) if stage]


def p_over_looks(stages: Sequence[Sequence[float]]) -> float:
    """Two-sided, of no effect; 1 without stages. Each stage has two seeds or more that do not agree."""
    return crossing(abs(_total(stages, 0.0)), len(stages)) if stages else 1.0


def bounds_over_looks(stages: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The least and the greatest effect whose p over looks is not below 5 %; infinite without stages."""
    if not stages:
        return -math.inf, math.inf
    bound, means = bound_of(len(stages)), [float(np.mean(stage)) for stage in stages]
    width = max(float(np.std(stage)) for stage in stages)

    def reached(start: float, sign: int) -> float:
        """Where the statistic, which falls as the effect grows, comes to the bound."""
        end, step = start, width
        while sign * _total(stages, end) < bound:
            end, step = end - sign * step, 2 * step
        return float(optimize.brentq(lambda effect: _total(stages, effect) - sign * bound, *sorted((start, end))))

    return reached(max(means), 1), reached(min(means), -1)


@cache
def bound_of(looks: int) -> float:
    """What the statistic reaches at one look at least in 5 % of cases: constant over looks (Pocock 1977)."""
    return float(optimize.brentq(lambda bound: crossing(bound, looks) - (1 - LEVEL), 1.0, 10.0))


def _total(stages: Sequence[Sequence[float]], effect: float) -> float:
    """The statistic at the last look, of that effect."""
    return sum(_score([value - effect for value in stage]) for stage in stages) / math.sqrt(len(stages))


def _score(stage: Sequence[float]) -> float:
    """Normal, of the t test of no effect of one stage."""
    error = float(np.std(stage, ddof=1)) / math.sqrt(len(stage))
    t = float(np.mean(stage)) / error
    tail = float(special.stdtr(len(stage) - 1, -abs(t)))  # of the lower one, which keeps its digits
    lower = max(tail, sys.float_info.min)  # so that an effect far off has a finite score
    return math.copysign(-float(special.ndtri(lower)), t)


def crossing(bound: float, looks: int) -> float:
    """How often |sum of k normal scores / √k| reaches the bound at one look k at least, of so many."""
    node_P, weight_P = np.polynomial.legendre.leggauss(POINTS)
    sum_P, density_P, mass_P = np.zeros(1), np.ones(1), np.ones(1)
    for look in range(1, looks + 1):
        reach = bound * math.sqrt(look)
        next_P = reach * node_P
        step_PP = np.exp(-((next_P[:, None] - sum_P) ** 2) / 2) / math.sqrt(2 * math.pi)
        density_P, sum_P, mass_P = step_PP @ (density_P * mass_P), next_P, reach * weight_P
    return float(np.clip(1 - density_P @ mass_P, 0.0, 1.0))
