"""Map of the two-factor interactions of a factorial grid, main effects on its diagonal."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase

import pandas as pd

from ..evidence import Evidence
from ..statistics.effects import Effect
from .factorial import Fitted, fitted
from .interactions_drawing import draw_interactions
from .picture import Options, Picture

COLUMNS = (
    "panel", "left_out", "metric", "row", "column", "estimate", "low", "high", "p_holm", "group", "shared_by", "n",
)  # fmt: skip


def interactions_data(evidence: Evidence, options: Options) -> pd.DataFrame:
    """One row per cell of each map: interactions below the diagonal (``row`` after ``column``), main effects on it.

    Effects as fractions of one. Terms that the design cannot tell apart have one letter in ``group`` (empty, NaN,
    where a term stands alone), ``shared_by`` says how many share the value; where a term enters the sum with a minus
    its value and interval are turned over. p_holm: over the main effects, or over the interactions.
    """
    rows = [row for grid in fitted(evidence, options.grids, 2) for row in _cells(grid)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _cells(grid: Fitted) -> Iterator[dict[str, object]]:
    letters = iter(range(10**6))
    for effect in grid.effects:
        terms = (effect.term, *effect.aliases)
        group = _letter(next(letters)) if len(terms) > 1 else None
        for term in terms:
            column, row = sorted((term[0], term[-1]), key=grid.design.factors.index)
            yield {
                "panel": grid.name, "left_out": grid.left_out, "metric": grid.metric, "row": row, "column": column,
                **_values(effect, is_negated=term in effect.negated), "group": group, "shared_by": len(terms),
            }  # fmt: skip


def _values(effect: Effect, *, is_negated: bool) -> dict[str, float | int | None]:
    low, high = (effect.high, effect.low) if is_negated else (effect.low, effect.high)
    sign = -1 if is_negated else 1
    turned = [None if value is None else sign * value for value in (effect.estimate, low, high)]
    found = dict(zip(("estimate", "low", "high"), turned, strict=True))
    return {**found, "p_holm": effect.p_holm, "n": effect.n}


def _letter(index: int) -> str:
    """a … z, aa, bb …"""
    return ascii_lowercase[index % 26] * (index // 26 + 1)


INTERACTIONS = Picture(Options, interactions_data, draw_interactions)
