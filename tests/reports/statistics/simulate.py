"""Simulated grids with known effects, and the Monte Carlo error of a measured rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tests.reports.synthetic_design import response

Values = dict[str, dict[int, float]]


def values_of(arms: Sequence[str], table_SA: NDArray[np.float64]) -> Values:
    """Arm → seed → value, from rows of seeds."""
    return {arm: dict(enumerate(column)) for arm, column in zip(arms, table_SA.T.tolist(), strict=True)}


def simulate(
    levels: Mapping[str, Sequence[str]],
    terms: Mapping[tuple[str, ...], float],
    rng: np.random.Generator,
    *,
    seeds: int = 3,
    noise: float | Sequence[float] = 1.0,
    seed_sd: float = 0.0,
    seed_by_factor: Mapping[str, float] | None = None,
) -> Values:
    """The arm's response, a shift per seed, one per seed and factor (its standard deviation), noise per run (of all
    arms, or arm by arm)."""
    truth = np.array([response(on, terms, mean=0.0) for on in levels.values()])
    table = truth + rng.normal(0, noise, (seeds, len(levels))) + rng.normal(0, seed_sd, (seeds, 1))
    for factor, spread in (seed_by_factor or {}).items():
        signs = np.array([1.0 if factor in on else -1.0 for on in levels.values()])
        table += rng.normal(0, spread, (seeds, 1)) / 2 * signs
    return values_of(list(levels), table)


def three_errors(rate: float, trials: int) -> float:
    """Three standard errors of a share of independent trials."""
    return 3 * math.sqrt(rate * (1 - rate) / trials)


def three_errors_of(shares: Sequence[float]) -> float:
    """Three standard errors of the mean of one share per draw, whatever its members have in common."""
    return 3 * float(np.std(shares, ddof=1)) / math.sqrt(len(shares))
