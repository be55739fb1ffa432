"""How the arms of a factorial design enter one effect, told by the row of a table and the plan of its grid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from pathlib import Path

from swarmformer import records
from swarmformer.records import PLAN, opened

from .statistics.factorial import effect_weights, simple_weights
from .words import MINUS

SIMPLE = re.compile(r"(?P<factor>.+) (?P<how>with|without) (?P<other>.+)")


def weights_of(row: str, arms: Set[str], grid: Path) -> Mapping[str, float]:
    """Arm → weight in the effect that a row is named after, as in ``↳ windowed with layer_norm``.

    The effect is the sum of the arms' means times these. Nothing where the row is no effect of a factorial design of
    the grid with exactly these arms.
    """
    folder = opened(grid)
    if not (folder / PLAN).exists():
        return {}
    designs = records.load(folder / PLAN, records.Plan).designs
    design = next((one for one in designs if one.kind in records.FACTORIALS and set(one.levels) == arms), None)
    return {} if design is None else _weights(re.sub(r"^↳ | \(\d+\)$", "", row), design)


def _weights(effect: str, design: records.Design) -> Mapping[str, float]:
    simple, term = SIMPLE.fullmatch(effect), tuple(effect.split(" × "))
    if simple is not None and {simple["factor"], simple["other"]} <= set(design.factors):
        return simple_weights(design.levels, simple["factor"], simple["other"], is_on=simple["how"] == "with")
    return effect_weights(term, design.levels) if set(term) <= set(design.factors) else {}


def said(weight: float) -> str:
    """``+1/8``, ``−1``; a dot for an arm without a part."""
    if not weight:
        return "·"
    below = round(1 / abs(weight))
    return f"{'+' if weight > 0 else MINUS}1" + (f"/{below}" if below > 1 else "")
