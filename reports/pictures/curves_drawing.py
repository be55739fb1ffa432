"""Draws ``curves``: one row per grid, validation accuracy beside training loss."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from ..style import line_style
from .layout import key, key_height, name_levels, page, text_width
from .panels import said

PLOT_HEIGHT = 2.5  # inches
LABEL_ROOM = 75  # points right of the axes
BANDS = {"range": "least to largest of the seeds", "interval": "95 % t interval of the mean"}
SCALE = {"validation accuracy": 100, "training loss": 1}
UNIT = {"validation accuracy": "validation accuracy, %", "training loss": "training loss, nats"}
MARKERS = 8  # about so many on a line


def draw_curves(frame: pd.DataFrame, title: str) -> Figure:
    """Means as lines, each with a short name at its end and its full one in the key; bands where there are seeds."""
    groups = [group for _, group in frame.groupby("panel", sort=False)]
    handles = [_handles(group) for group in groups]
    below = [key_height([str(line.get_label()) for line in lines]) for lines in handles]
    figure, parts = page([PLOT_HEIGHT + height for height in below], title)
    ends: list[tuple[Axes, dict[float, str]]] = []
    for part, group, lines in zip(parts, groups, handles, strict=True):
        ends += _panel(part, group)
        key(part, lines)
    for axis, names in ends:  # the names take room, which the layout must know of before they are spread
        axis.text(1.035, 0.5, max(names.values(), key=text_width), transform=axis.transAxes, alpha=0, gid="room")
    figure.draw_without_rendering()
    for axis, names in ends:
        next(text for text in axis.texts if text.get_gid() == "room").remove()
        name_levels(axis, list(names.items()))
    return figure


def _panel(part: SubFigure, group: pd.DataFrame) -> list[tuple[Axes, dict[float, str]]]:
    measures = list(dict.fromkeys(group["measure"]))
    axes = part.subplots(1, len(measures), squeeze=False)[0]
    first = group.iloc[0]
    axes[0].set_title(said(first["panel"], first["left_out"]))
    return [
        (axis, _measure(axis, group[group["measure"] == measure], _short(group), _looks(group)))
        for axis, measure in zip(axes, measures, strict=True)
    ]


def _measure(axis: Axes, rows: pd.DataFrame, short: dict[str, str], looks: dict[str, Any]) -> dict[float, str]:
    """Draw one measure; returns the height at which each line ends with its name."""
    measure = rows["measure"].iloc[0]
    ends: dict[float, str] = {}
    for arm, line in rows.groupby("arm", sort=False):
        scale, look = SCALE[measure], looks[str(arm)]
        every = max(1, len(line) // MARKERS)
        axis.plot(line["step"], scale * line["mean"], markevery=every, zorder=3, **look)
        axis.fill_between(
            line["step"], scale * line["low"], scale * line["high"], color=look["color"], alpha=0.15, lw=0
        )
        height = float(scale * line["mean"].iloc[-1])
        ends[height] = f"{ends[height]}, {short[str(arm)]}" if height in ends else short[str(arm)]
    axis.set_ylabel(UNIT[measure])
    axis.set_xlabel("optimiser steps")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.xaxis.set_major_formatter(EngFormatter())
    return ends


def _looks(group: pd.DataFrame) -> dict[str, dict[str, Any]]:
    arms = list(dict.fromkeys(group["arm"]))
    return {arm: line_style(index, len(arms)) for index, arm in enumerate(arms)}


def _short(group: pd.DataFrame) -> dict[str, str]:
    """Arm → what is written at the end of its line: its role, or its name where that is short, or a number."""
    pairs = group.drop_duplicates("arm")[["arm", "role"]].itertuples(index=False)
    return {
        arm: role if isinstance(role, str) else arm if text_width(arm) <= LABEL_ROOM else f"arm {number}"
        for number, (arm, role) in enumerate(pairs, 1)
    }


def _handles(group: pd.DataFrame) -> list[Line2D]:
    short, looks = _short(group), _looks(group)
    lines = [_handle(rows, short[str(arm)], looks[str(arm)]) for arm, rows in group.groupby("arm", sort=False)]
    return [*lines, Line2D([], [], linestyle="none", label=band_note(group))]


def _handle(rows: pd.DataFrame, short: str, look: dict[str, Any]) -> Line2D:
    arm = rows["arm"].iloc[0]
    name = arm if short == arm else f"{short}: {arm}"
    return Line2D([], [], label=f"{name} ({seeds(rows)})", **look)


def seeds(rows: pd.DataFrame) -> str:
    """How many curves a mean is over, and how many runs have none."""
    curves, runs = int(rows["n"].max()), int(rows["runs"].iloc[0])
    missing = f", {runs - curves} without a curve" if runs > curves else ""
    return f"{curves}\u00a0{'seed' if curves == 1 else 'seeds'}{missing}"


def band_note(rows: pd.DataFrame) -> str:
    """What the bands are."""
    return f"band: {BANDS[rows['band'].iloc[0]]}" if rows["n"].max() > 1 else "one seed: no band"
