"""Simulated grids with known effects, and the Monte Carlo error of a measured rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tests.reports.synthetic_design import response


def simulate(
    levels: Mapping[str, Sequence[str]],
    terms: Mapping[tuple[str, ...], float],
    rng: np.random.Generator,
    *,
    seeds: int = 3,
    noise: float = 1.0,
    seed_sd: float = 0.0,
) -> pd.DataFrame:
    """One value per arm and seed: the arm's response, a shift per seed, noise per run."""
    truth = np.array([response(on, terms, mean=0.0) for on in levels.values()])
    values = truth + rng.normal(0, noise, (seeds, len(levels))) + rng.normal(0, seed_sd, (seeds, 1))
    return pd.DataFrame({
        "arm": np.tile(list(levels), seeds), "seed": np.repeat(np.arange(seeds), len(levels)), "value": values.ravel()
    })  # fmt: skip


def three_errors(rate: float, trials: int) -> float:
    """Three standard errors of a share of independent trials."""
    return 3 * math.sqrt(rate * (1 - rate) / trials)


def three_errors_of(shares: Sequence[float]) -> float:
    """Three standard errors of the mean of one share per draw, whatever its members have in common."""
    return 3 * float(np.std(shares, ddof=1)) / math.sqrt(len(shares))
