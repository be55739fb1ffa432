"""Effects of a factorial grid with their intervals, sorted, grids side by side."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from ..evidence import Evidence
from ..statistics.effects import Effect
from ..statistics.verdict import verdict
from .effects_drawing import draw_effects
from .factorial import Fitted, fitted, named
from .picture import Options, Picture

COLUMNS = (
    "panel", "left_out", "metric", "margin", "order", "term", "aliases", "estimate", "low", "high", "p", "p_holm",
    "verdict", "n",
)  # fmt: skip


class EffectsOptions(Options):
    order: Literal[1, 2] = 2
    """1: main effects alone; 2: two-factor interactions too."""


def effects_data(evidence: Evidence, options: EffectsOptions) -> pd.DataFrame:
    """One row per effect and grid; estimate, interval and margin as fractions of one.

    aliases: terms that the design cannot tell from this one, joined by " = ", a minus before those that enter
    negated; empty (NaN) where there are none. verdict: of the interval and the margin; without a registered margin
    nothing is equivalent. n: runs.
    """
    rows = [_row(grid, effect) for grid in fitted(evidence, options.grids, options.order) for effect in grid.effects]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(grid: Fitted, effect: Effect) -> dict[str, object]:
    aliases = [named(alias, is_negated=alias in effect.negated) for alias in effect.aliases]
    return {
        "panel": grid.name, "left_out": grid.left_out, "metric": grid.metric, "margin": grid.margin,
        "order": len(effect.term), "term": named(effect.term), "aliases": " = ".join(aliases) or None,
        "estimate": effect.estimate, "low": effect.low, "high": effect.high, "p": effect.p, "p_holm": effect.p_holm,
        "verdict": str(verdict(effect.low, effect.high, grid.margin or 0.0)), "n": effect.n,
    }  # fmt: skip


EFFECTS = Picture(EffectsOptions, effects_data, draw_effects)
