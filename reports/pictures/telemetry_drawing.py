"""Draws ``telemetry``: one row per arm, one column per quantity, one line per layer."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from ..style import SMALL, WIDTH, line_style
from .curves_drawing import MARKERS, band_note, seeds
from .layout import LINE, key, key_height, page, wrap
from .panels import said

PLOT_HEIGHT = 1.55  # inches
TITLE_ROOM = 72 * WIDTH - 60  # points
NAMES = {
    "effective_clusters": "effective clusters,\nexp(H) / C",
    "dead_share": "dead share",
    "agreement": "agreement with\nown chunk",
}
SHARES = frozenset(NAMES)
"""Quantities between 0 and 1, whose axes show all of that."""


def draw_telemetry(frame: pd.DataFrame, title: str) -> Figure:
    """Means over seeds with bands; quantities that are shares have the axis from 0 to 1."""
    groups = [group for _, group in frame.groupby(["panel", "arm"], sort=False)]
    handles = _handles(frame)
    below = key_height([str(line.get_label()) for line in handles])
    heights = [PLOT_HEIGHT + LINE * _heading(group).count("\n") for group in groups]
    figure, parts = page([*heights[:-1], heights[-1] + below + 0.2], title)
    quantities = list(dict.fromkeys(frame["quantity"]))
    for part, group in zip(parts, groups, strict=True):
        _row(part, group, quantities, is_last=group is groups[-1])
    key(parts[-1], handles)
    return figure


def _heading(group: pd.DataFrame) -> str:
    first = group.iloc[0]
    of = f", {first['shown']} of {first['routed']} routed arms shown" if first["shown"] < first["routed"] else ""
    return wrap(f"{said(first['panel'], first['left_out'])}: {first['arm']} ({seeds(group)}{of})", TITLE_ROOM, SMALL)


def _row(part: SubFigure, group: pd.DataFrame, quantities: list[str], *, is_last: bool) -> None:
    axes = part.subplots(1, len(quantities), squeeze=False)[0]
    part.suptitle(_heading(group), x=0.01, ha="left", fontsize=SMALL)  # a title of axes would widen them
    for axis, quantity in zip(axes, quantities, strict=True):
        _quantity(axis, group[group["quantity"] == quantity])
        axis.set_ylabel(NAMES.get(quantity, quantity))
        if is_last:
            axis.set_xlabel("optimiser steps")


def _quantity(axis: Axes, rows: pd.DataFrame) -> None:
    for layer, line in rows.groupby("layer"):
        look = _look(int(str(layer)))
        axis.plot(line["step"], line["mean"], markevery=max(1, len(line) // MARKERS), zorder=3, **look)
        axis.fill_between(line["step"], line["low"], line["high"], color=look["color"], alpha=0.15, lw=0)
    if rows.empty:
        axis.text(0.5, 0.5, "not recorded", transform=axis.transAxes, ha="center", va="center")
    elif rows["quantity"].iloc[0] in SHARES:
        axis.set_ylim(-0.04, 1.04)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.xaxis.set_major_formatter(EngFormatter())


def _look(layer: int) -> dict[str, Any]:
    return line_style(layer - 1, 4)


def _handles(frame: pd.DataFrame) -> list[Line2D]:
    lines = [Line2D([], [], label=f"layer {layer}", **_look(int(layer))) for layer in sorted(frame["layer"].unique())]
    return [*lines, Line2D([], [], linestyle="none", label=band_note(frame))]
