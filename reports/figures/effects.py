"""Effects of a factorial grid with their intervals and verdicts, sorted, grids side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..study.contrasts import Contrast, Design
from ..study.model import GridStudy, Study
from .kind import Figure, bounds, figure, said
from .look import wrapped

LINE, BETWEEN = 0.155, 0.07  # inches: a line of a name, between two effects
LOOKS: dict[str, dict[str, Any]] = {
    "better": {"marker": "^", "label": "better"},
    "worse": {"marker": "v", "label": "worse"},
    "equivalent": {"marker": "s", "markerfacecolor": "0.6", "label": "equivalent: inside the margin"},
    "undecided": {"marker": "o", "markerfacecolor": "white", "label": "undecided"},
    "depends": {"marker": "D", "markerfacecolor": "white", "label": "depends on another factor: see simple effects"},
    "not exercised": {"marker": "d", "markerfacecolor": "white", "label": "not exercised: nothing follows"},
    "interacts": {"marker": "X", "label": "interacts: the two do not add up"},
    "no verdict": {"marker": "|", "label": "no verdict: no margin was registered"},
    "no interval": {"marker": "x", "label": "no interval: too few runs"},
}
MARGIN: dict[str, Any] = {"facecolor": "0.88", "edgecolor": "0.72", "hatch": "////", "linewidth": 0}


class OfDesigns(Figure):
    """A figure of factorial designs, ``side_by_side`` in a row."""

    rows: ClassVar = ["line"]
    beside: ClassVar = "panel"
    side_by_side: int
    """Designs in a row."""

    def designs(self, study: Study) -> Iterator[tuple[dict[str, Any], GridStudy, Design]]:
        """Each design with what its rows begin with; its number where the grid has several."""
        count = 0
        for panel, grid in self.panels(study):
            for which, design in grid.told_apart:
                line = {"line": count // self.side_by_side, "metric": grid.metric}
                yield {**panel, "panel": panel["panel"] + which, **line}, grid, design
                count += 1

    def heading(self, row: pd.DataFrame) -> str:
        """Each panel has its own."""
        return ""


@figure("effects")
class Effects(OfDesigns):
    """One row of data per effect and grid; estimate, interval and margin as fractions of one.

    kind: main, simple (``of`` is the main effect that it stands for) or interaction. aliases: terms that the design
    cannot tell from this one, joined by " = ", a minus before those that enter negated.
    """

    side_by_side: int = 3
    shares_y: ClassVar = True

    order: Literal[1, 2] = 2
    """1: main effects, and what stands for them, alone; 2: two-factor interactions too."""
    simple: bool = True
    """Below a main effect that depends on another factor what stands for it."""

    def read(self, study: Study) -> Iterator[dict[str, Any]]:
        for head, grid, design in self.designs(study):
            interactions = design.interactions.contrasts if self.order == 2 else ()
            for contrast in (*design.main.contrasts, *interactions):
                for each in (contrast, *(contrast.simple if self.simple else ())):
                    yield {**head, "margin": grid.margin, "of": contrast.name, **_row(each)}

    def height(self, row: pd.DataFrame) -> float:
        return 1.1 - min(_places(row).values())

    def handles(self, row: pd.DataFrame) -> list[Any]:
        marks = _marks(row[row["estimate"].notna()])
        dots: list[Any] = [Line2D([], [], **_dot(name)) for name in LOOKS if (marks == name).any()]
        if row["margin"].notna().any():
            dots.append(Patch(label="registered margin of equivalence", **MARGIN))
        return [*dots, Line2D([], [], color="black", linewidth=1, label="95 % interval; verdicts are after Holm")]

    def plot(self, axis: Axes, cell: pd.DataFrame, row: pd.DataFrame) -> None:
        """Effects in points; those of all grids beside each other are sorted by their mean, main effects first."""
        places, runs = _places(row), cell["runs"].max()
        axis.set_title(wrapped(said(cell), 72 // row["panel"].nunique()))
        axis.set_xlabel(f"test {cell['metric'].iloc[0]}, points\n{runs} runs")
        axis.axvline(0, color="black", linewidth=0.8, zorder=1)
        margin = 100 * cell["margin"].iloc[0]
        if pd.notna(margin):
            axis.axvspan(-margin, margin, zorder=0, **MARGIN)
        for effect, mark, name in zip(cell.itertuples(), _marks(cell), _labels(cell), strict=True):
            _effect(axis, effect, mark, places[name])
        axis.set_yticks(list(places.values()), list(places), multialignment="right")
        axis.set_ylim(min(places.values()) - 0.15, 0)
        axis.tick_params(axis="y", length=0)
        axis.grid(visible=False, axis="y")
        if (row["kind"] == "interaction").any():
            divide = min(places[name] for name in _labels(row[row["kind"] != "interaction"]))
            axis.axhline(divide - 0.17, color="0.6", linewidth=0.6)


def _row(contrast: Contrast) -> dict[str, Any]:
    return {
        "kind": contrast.kind, "term": contrast.name, "aliases": " = ".join(contrast.aliases) or None,
        **bounds(contrast.interval, ("estimate", "low", "high")), "p": contrast.p, "p_holm": contrast.p_holm,
        "verdict": str(contrast.verdict) if contrast.verdict else None, "reason": contrast.reason,
        "runs": len(contrast.sources),
    }  # fmt: skip


def _labels(rows: pd.DataFrame) -> list[str]:
    # What a simple effect cannot be told from is said of the interaction that it stands for.
    alone = rows["aliases"].isna() | (rows["kind"] == "simple")
    whole = rows["term"].where(alone, rows["term"] + " = " + rows["aliases"].astype(str))
    # Spaces that may not be broken keep the two factors of an interaction on one line.
    return [wrapped(text.replace(" × ", "\u00a0×\u00a0"), 42) for text in whole]


def _places(row: pd.DataFrame) -> dict[str, float]:
    """Label → height of its middle in inches, from the top down; simple effects below the effect they stand for."""
    means = row[row["kind"] != "simple"].groupby("of")["estimate"].mean()
    late, part = row["kind"] == "interaction", row["kind"] == "simple"
    ordered = row.assign(label=_labels(row), is_late=late, least=-row["of"].map(means), is_part=part)
    ordered = ordered.sort_values(["is_late", "least", "of", "is_part"], kind="stable")
    places, top, was_late = dict[str, float](), 0.0, False
    for name, is_late in ordered.drop_duplicates("label")[["label", "is_late"]].itertuples(index=False):
        top -= 0.12 if is_late and not was_late else 0.0
        tall = LINE * (name.count("\n") + 1) + BETWEEN
        places[name], top, was_late = top - tall / 2, top - tall, is_late
    return places


def _marks(rows: pd.DataFrame) -> pd.Series:
    """The name of each effect's look."""
    return rows["verdict"].fillna("no verdict").where(rows["low"].notna(), "no interval")


def _dot(mark: str) -> dict[str, Any]:
    return {"linestyle": "", "color": "black", "markersize": 5.5, **LOOKS[mark]}


def _effect(axis: Axes, effect: Any, mark: str, place: float) -> None:
    if pd.isna(effect.estimate):
        look: dict[str, Any] = {"va": "center", "ha": "center", "bbox": {"facecolor": "white", "edgecolor": "none"}}
        axis.text(0.5, place, "not estimable", transform=axis.get_yaxis_transform(), **look)
    else:
        axis.plot([100 * effect.low, 100 * effect.high], [place, place], color="black", linewidth=1, zorder=2)
        axis.plot(100 * effect.estimate, place, zorder=3, **_dot(mark))
