"""The linear model of a grid: seed blocks and columns of signs, by ordinary least squares."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.linalg import null_space
from statsmodels.tools.sm_exceptions import ModelWarning

from .terms import Levels, Term, signs
from .values import clean


@dataclass(frozen=True)
class Fit:
    """Effects of terms, in the unit of the values; None where the runs at hand do not determine them.

    errors: standard errors of the effects; None also where no degree of freedom is left.
    df: of the residual. sd: its standard deviation, the noise of one run; None where ``df`` is 0.
    n: runs that were used.
    """

    terms: tuple[Term, ...]
    estimates: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    df: int
    sd: float | None
    n: int


def of_design(cells: pd.DataFrame, levels: Levels) -> pd.DataFrame:
    """The ``clean`` cells whose arm is of the design: a grid may hold others, such as placebos."""
    values = clean(cells)
    return values[values["arm"].isin(list(levels))].reset_index(drop=True)


def model_matrix(values: pd.DataFrame, levels: Levels, terms: Sequence[Term]) -> NDArray[np.float64]:
    """Rows as ``values``; a column of 0 and 1 per seed, then a column of ±1 per term."""
    blocks = pd.get_dummies(values["seed"]).to_numpy(float)
    place = {arm: number for number, arm in enumerate(levels)}
    arms = values["arm"].map(place).to_numpy(int)
    columns = [signs(term, levels)[arms] for term in terms]
    return np.column_stack([blocks, *columns]).astype(float)


def estimable(matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Per column: whether its coefficient is the same in every least-squares solution."""
    # A coefficient is free exactly where some vector that the matrix maps to zero moves it.
    return np.abs(null_space(matrix)).max(axis=1, initial=0.0) < 1e-9


def fit(cells: pd.DataFrame, levels: Levels, terms: Sequence[Term]) -> Fit:
    """Least squares of the values on seed blocks and terms; an effect is twice its coefficient.

    In a balanced design that is the mean where the term's sign is +1 less the mean where it is −1.
    """
    values = of_design(cells, levels)
    if values.empty:
        none = (None,) * len(terms)
        return Fit(tuple(terms), none, none, 0, None, 0)
    matrix, y = model_matrix(values, levels, terms), values["value"].to_numpy()
    with warnings.catch_warnings():
        # What a matrix of less than full rank leaves open is found below, term by term.
        warnings.simplefilter("ignore", ModelWarning)
        result = sm.OLS(y, matrix).fit()
    df, blocks = round(result.df_resid), matrix.shape[1] - len(terms)
    errors = result.bse[blocks:] if df > 0 else np.full(len(terms), np.nan)
    parts = list(zip(estimable(matrix)[blocks:], result.params[blocks:], errors, strict=True))
    # All arms at chance differ by rounding alone: that is no noise to test against, and no effect.
    tiny = 1e-12 * float(np.abs(y).max())
    return Fit(
        terms=tuple(terms),
        estimates=tuple(_doubled(estimate, tiny) if known else None for known, estimate, _ in parts),
        errors=tuple(_doubled(error, tiny) if known and df > 0 else None for known, _, error in parts),
        df=df,
        sd=_above(float(np.sqrt(result.ssr / df)), tiny) if df > 0 else None,
        n=len(values),
    )


def _doubled(coefficient: float, tiny: float) -> float:
    return _above(2 * float(coefficient), tiny)


def _above(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else 0.0
