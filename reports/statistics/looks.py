"""p of contrasts of grids to which seeds were added after others could be seen.

The seeds between two looks are a stage. Each stage has a t test of its own; their normal scores, added up with equal
weights, are one statistic at every look. Its p is how often the largest over all looks would be as large without any
effect: it holds although somebody could have stopped at each of them, and whatever made them go on.

Sources: W. Lehmacher and G. Wassmer, "Adaptive sample size calculations in group sequential trials", 1999 (inverse
normal scores of stages); C. Jennison and B. W. Turnbull, "Repeated confidence intervals for group sequential clinical
trials", 1984 (p over looks); P. Armitage, C. K. McPherson and B. C. Rowe, "Repeated significance tests on accumulating
data", 1969 (the recursion).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import special

from .contrast import Estimate
from .interval import has_spread

Looks = Sequence[Collection[int]]
"""For each time that seeds were added, in order: the seeds of which something could be seen."""
POINTS = 64
"""Of Gauss–Legendre quadrature; 32 give the same twelve digits."""


def allowing_for(estimate: Estimate, looks: Looks) -> Estimate:
    """The same with the p that allows for looks, where that is the larger.

    As it is where nothing was looked at, or a stage has fewer than two seeds or no spread, and so no test.
    """
    p = p_over_looks(stages_of(estimate.by_seed, looks))
    return estimate if p is None or estimate.p is None else replace(estimate, p=max(estimate.p, p))


def stages_of(by_seed: Mapping[int, float], looks: Looks) -> list[list[float]]:
    """The contrast's values at the seeds before the first look, between looks and after the last; none is empty."""
    stages, rest = [], dict(by_seed)
    for look in looks:
        stages.append([rest.pop(seed) for seed in sorted(rest.keys() & set(look))])
    return [stage for stage in (*stages, list(rest.values())) if stage]


def p_over_looks(stages: Sequence[Sequence[float]]) -> float | None:
    """Two-sided; None for a single stage, and where a stage has no test."""
    if len(stages) < 2 or not all(len(stage) > 1 and has_spread(stage) for stage in stages):
        return None
    return crossing(abs(sum(map(_score, stages))) / math.sqrt(len(stages)), len(stages))


def _score(stage: Sequence[float]) -> float:
    """Normal, of the t test of no effect."""
    error = float(np.std(stage, ddof=1)) / math.sqrt(len(stage))
    t = float(np.mean(stage)) / error
    lower = float(special.stdtr(len(stage) - 1, -abs(t)))  # of the tail, which keeps its digits
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
