"""Map of the two-factor interactions of a factorial grid, main effects on its diagonal."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_letters
from typing import Any, ClassVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from ..study.contrasts import Contrast, Design
from ..study.model import Study
from ..words import MINUS
from .effects import OfDesigns
from .kind import bounds, figure, said
from .look import wrapped

LIGHTEST, DARKEST = 0.98, 0.6  # grey levels that black text stays legible on
FRAMED = ("better", "worse", "interacts")
"""Verdicts; a main effect that depends is told by the framed interaction that it depends on."""


@figure("interactions")
class Interactions(OfDesigns):
    """One row of data per cell of each map: interactions below the diagonal (``row`` after ``column``), main effects
    on it.

    Effects as fractions of one. Terms that the design cannot tell apart have one letter in ``group`` (empty, NaN,
    where a term stands alone), ``shared_by`` says how many share the value; where a term enters the sum with a minus
    its value and interval are turned over. Verdicts are of the sum.
    """

    side_by_side: int = 2
    has_one_key: ClassVar = True
    inches: ClassVar = 3.8

    def read(self, study: Study) -> Iterator[dict[str, Any]]:
        for head, _, design in self.designs(study):
            yield from ({**head, **cell} for cell in _cells(design))

    def handles(self, row: pd.DataFrame) -> list[Patch]:
        marks = [
            Patch(label="more with both on, or both off", **_look(1.0)),
            Patch(label="less (hatched)", **_look(-1.0)),
            Patch(label=f"framed: {', '.join(FRAMED)}", facecolor="white", edgecolor="black", linewidth=1.8),
        ]
        words = "one letter: terms that the design cannot tell apart, one value for their sum"
        return [*marks, Patch(label=words, fill=False, linewidth=0)] if row["group"].notna().any() else marks

    def plot(self, axis: Axes, cell: pd.DataFrame, row: pd.DataFrame) -> None:
        """Effects in points: squares are the darker the larger their effect is among those of the map."""
        factors, largest = list(dict.fromkeys((*cell["column"], *cell["row"]))), cell["estimate"].abs().max()
        axis.set_title(wrapped(said(cell), 40))
        for square in cell.itertuples():
            shade = square.estimate / largest if largest > 0 else 0.0
            _square(axis, square, (factors.index(square.column), factors.index(square.row)), shade)
        count = len(factors)
        axis.set(xlim=(-0.55, count - 0.45), ylim=(count - 0.45, -0.55), aspect="equal")
        axis.set_xticks(range(count), factors, rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(count), factors)
        axis.grid(visible=False)
        axis.tick_params(length=0)
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.set_xlabel(f"test {cell['metric'].iloc[0]}, points; {cell['runs'].max()} runs")


def _cells(design: Design) -> Iterator[dict[str, Any]]:
    letters = iter(ascii_letters)
    for contrast in (*design.main.contrasts, *design.interactions.contrasts):
        terms = (" × ".join(contrast.terms), *contrast.aliases)
        group = next(letters) if len(terms) > 1 else None
        for term in terms:
            names = term.removeprefix(MINUS).split(" × ")
            if len(names) <= 2:
                column, row = sorted((names[0], names[-1]), key=design.factors.index)
                values = _values(contrast, is_negated=term.startswith(MINUS))
                yield {"row": row, "column": column, **values, "group": group, "shared_by": len(terms)}


def _values(contrast: Contrast, *, is_negated: bool) -> dict[str, Any]:
    names = ("estimate", "high", "low") if is_negated else ("estimate", "low", "high")
    values = {
        name: -value if is_negated and value is not None else value
        for name, value in bounds(contrast.interval, names).items()
    }
    verdict = str(contrast.verdict) if contrast.verdict else None
    return {**values, "p_holm": contrast.p_holm, "verdict": verdict, "runs": len(contrast.sources)}


def _square(axis: Axes, square: Any, place: tuple[int, int], shade: float) -> None:
    x, y = place
    look = {"facecolor": "white"} if pd.isna(shade) else _look(shade)
    axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, linewidth=0, zorder=1, **look))
    sure = square.verdict in FRAMED
    edge: dict[str, Any] = {"edgecolor": "black", "linewidth": 1.8} if sure else {"edgecolor": "0.6", "linewidth": 0.5}
    inset = 0.45 if sure else 0.5
    axis.add_patch(Rectangle((x - inset, y - inset), 2 * inset, 2 * inset, fill=False, zorder=5 if sure else 2, **edge))
    letter = f"\n{square.group}" if isinstance(square.group, str) else ""
    text = "—" if pd.isna(shade) else f"{100 * square.estimate:+.1f}".replace("-", MINUS)
    box = {"facecolor": look["facecolor"], "edgecolor": "none", "pad": 0}
    axis.text(x, y, text + letter, ha="center", va="center", zorder=4, bbox=box, linespacing=1.0, fontsize=7)


def _look(shade: float) -> dict[str, Any]:
    hatch = {"hatch": "////", "edgecolor": "0.8"} if shade < 0 else {}
    return {"facecolor": str(round(LIGHTEST - (LIGHTEST - DARKEST) * abs(shade), 3)), **hatch}
