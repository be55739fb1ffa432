"""Draws ``interactions``: lighter to darker squares by size, a sign in text, hatches on what is negative."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from .layout import key, key_height, page, wrap
from .panels import said

PANEL_HEIGHT = {1: 5.0, 2: 3.6}  # inches, by the number of panels beside each other
SIGNIFICANT = 0.05
LIGHTEST, DARKEST = 0.98, 0.6  # grey levels that black text stays legible on
NEGATIVE: dict[str, Any] = {"hatch": "////", "edgecolor": "0.8"}


def draw_interactions(frame: pd.DataFrame, title: str) -> Figure:
    """Effects in points of percentages; at most two maps beside each other."""
    names = list(dict.fromkeys(frame["panel"]))
    columns = min(2, len(names))
    rows = [names[start : start + columns] for start in range(0, len(names), columns)]
    below = key_height([str(handle.get_label()) for handle in _handles(frame)])
    heights = [PANEL_HEIGHT[columns] + (below if row is rows[-1] else 0) for row in rows]
    figure, parts = page(heights, title)
    largest = frame["estimate"].abs().max()
    for part, row in zip(parts, rows, strict=True):
        axes = part.subplots(1, columns, squeeze=False)[0]
        for axis in axes[len(row) :]:
            axis.set_axis_off()
        for axis, name in zip(axes, row, strict=False):
            _map(axis, frame[frame["panel"] == name], largest, columns)
    key(parts[-1], _handles(frame))
    return figure


def _map(axis: Axes, group: pd.DataFrame, largest: float, columns: int) -> None:
    factors = list(dict.fromkeys((*group["column"], *group["row"])))
    first = group.iloc[0]
    axis.set_title(wrap(said(first["panel"], first["left_out"]), 480 / columns, 9))
    for row in group.itertuples():
        _cell(axis, row, (factors.index(row.column), factors.index(row.row)), largest)
    count = len(factors)
    axis.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axis.set_xticks(range(count), factors, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(count), factors)
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_xlabel(f"test {first['metric']}, points; {first['n']} runs")


def _cell(axis: Axes, row: Any, place: tuple[int, int], largest: float) -> None:
    x, y = place
    missing = pd.isna(row.estimate)
    look = {"facecolor": "white"} if missing else _look(row.estimate, largest)
    axis.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, linewidth=0, zorder=1, **look))
    sure = pd.notna(row.p_holm) and row.p_holm < SIGNIFICANT
    edge: dict[str, Any] = {"edgecolor": "black", "linewidth": 1.8} if sure else {"edgecolor": "0.6", "linewidth": 0.5}
    inset = 0.44 if sure else 0.5
    axis.add_patch(Rectangle((x - inset, y - inset), 2 * inset, 2 * inset, fill=False, zorder=5 if sure else 2, **edge))
    letter = f"\n{row.group}" if isinstance(row.group, str) else ""
    text = "—" if missing else _signed(100 * row.estimate)
    box = {"facecolor": look["facecolor"], "edgecolor": "none", "pad": 0.6}
    axis.text(x, y, text + letter, ha="center", va="center", zorder=4, bbox=box, linespacing=1.0)


def _look(estimate: float, largest: float) -> dict[str, Any]:
    part = abs(estimate) / largest if largest > 0 else 0.0
    level = str(round(LIGHTEST - (LIGHTEST - DARKEST) * part, 3))
    return {"facecolor": level, **(NEGATIVE if estimate < 0 else {})}


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")  # +0.0 and −0.0 too: the hatches show the sign of all


def _handles(frame: pd.DataFrame) -> list[Patch]:
    largest = frame["estimate"].abs().max()
    marks = [
        Patch(label="more with both on, or both off", **_look(largest, largest)),
        Patch(label="less (hatched)", **_look(-largest, largest)),
        Patch(label=f"framed: p < {SIGNIFICANT} after Holm", facecolor="white", edgecolor="black", linewidth=1.8),
    ]
    if frame["group"].notna().any():
        said = "one letter: terms that the design cannot tell apart, one value for their sum"
        marks.append(Patch(label=said, facecolor="none", edgecolor="none"))
    return marks
