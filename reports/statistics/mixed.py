"""A mixed model with a random intercept per seed: a check on the effects of least squares with seed blocks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from statsmodels.tools.sm_exceptions import ModelWarning

from .effects import Order, terms_to_fit
from .linear import fit, model_matrix, of_design
from .terms import Levels, Term


@dataclass(frozen=True)
class MixedEffect:
    """In the unit of the values; ``low``, ``high`` and ``p`` as the library gives them, of the normal distribution."""

    term: Term
    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Mixed:
    """seed_sd: spread of the seeds' intercepts; residual_sd: noise of one run. ``n``: runs, ``seeds``: groups.

    at_boundary: the seeds' spread was estimated as zero, or the fit did not settle, as often happens with three seeds.
    """

    effects: tuple[MixedEffect, ...]
    seed_sd: float
    residual_sd: float
    seeds: int
    n: int
    at_boundary: bool


def mixed_effects(cells: pd.DataFrame, levels: Levels, factors: Sequence[str], *, order: Order = 1) -> Mixed | None:
    """Restricted maximum likelihood fit of the terms of ``factorial_effects``, with seeds as random intercepts.

    None with fewer than two seeds, where the runs do not determine every term, or without noise to be seen.

    In a balanced design the estimates are those of least squares with seed blocks, whatever the spread of the seeds:
    every seed runs every arm. The intervals are a little narrower, being normal where those are t, and where the
    seeds' spread is estimated as zero their error is pooled with the seeds'. So this is a check, and the tables show
    ``factorial_effects``.
    """
    values, terms = of_design(cells, levels), terms_to_fit(levels, factors, order)
    seeds, blocked = values["seed"].nunique(), fit(values, levels, terms)
    if seeds < 2 or not blocked.sd or None in blocked.estimates:
        return None
    return _fit(values, model_matrix(values, levels, terms)[:, seeds:], terms)


def _fit(values: pd.DataFrame, columns: NDArray[np.float64], terms: Sequence[Term]) -> Mixed:
    # Halved signs make a coefficient the effect itself.
    model = sm.MixedLM(values["value"].to_numpy(), sm.add_constant(columns / 2), groups=values["seed"].to_numpy())
    with warnings.catch_warnings():
        # A spread of zero is told by ``at_boundary``.
        warnings.simplefilter("ignore", ModelWarning)
        # Powell needs no gradient. The default (L-BFGS) fails on about one grid in eight whose seeds have no spread.
        result = model.fit(reml=True, method="powell")
    bounds, spread = result.conf_int(), float(result.cov_re[0, 0])
    of_terms = slice(1, len(terms) + 1)
    rows = zip(terms, result.fe_params[of_terms], bounds[of_terms], result.pvalues[of_terms], strict=True)
    return Mixed(
        effects=tuple(MixedEffect(t, float(b), float(i[0]), float(i[1]), float(p)) for t, b, i, p in rows),
        seed_sd=float(np.sqrt(max(spread, 0.0))),
        residual_sd=float(np.sqrt(result.scale)),
        seeds=values["seed"].nunique(),
        n=len(values),
        at_boundary=bool(not result.converged or spread < 1e-3 * result.scale),
    )
