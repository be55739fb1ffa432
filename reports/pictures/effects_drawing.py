"""Draws ``effects``: one line per effect, one panel per grid."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .layout import key, key_height, page, wrap
from .panels import said

LABEL_ROOM = 195  # points for the names of effects
ROW_LINE = 0.155  # inches per line of a name
BETWEEN = 0.07  # inches between two effects
AROUND = 1.0  # inches above and below the panels
SIDE_BY_SIDE = 3
LOOKS: dict[str, dict[str, Any]] = {
    "better": {"marker": "^", "markerfacecolor": "black"},
    "worse": {"marker": "v", "markerfacecolor": "black"},
    "equivalent": {"marker": "s", "markerfacecolor": "0.6"},
    "undecided": {"marker": "o", "markerfacecolor": "white"},
}
MEANING = {
    "better": "better", "worse": "worse", "equivalent": "equivalent: inside the margin", "undecided": "undecided",
}  # fmt: skip
MARGIN: dict[str, Any] = {"facecolor": "0.88", "edgecolor": "0.72", "hatch": "////", "linewidth": 0}
NO_INTERVAL: dict[str, Any] = {"marker": "x", "color": "black", "markersize": 5, "linestyle": "none"}


def draw_effects(frame: pd.DataFrame, title: str) -> Figure:
    """Effects as points of percentages; those of all grids are sorted by their mean, main effects first."""
    names = list(dict.fromkeys(frame["panel"]))
    rows = [names[start : start + SIDE_BY_SIDE] for start in range(0, len(names), SIDE_BY_SIDE)]
    groups = [frame[frame["panel"].isin(row)] for row in rows]
    orders = [_ordered(group) for group in groups]
    handles = _handles(frame)
    below = key_height([str(handle.get_label()) for handle in handles])
    figure, parts = page([AROUND + _height(order) + below for order in orders], title)
    for part, group, order in zip(parts, groups, orders, strict=True):
        _row(part, group, order)
        key(part, _handles(frame))
    return figure


def _ordered(group: pd.DataFrame) -> list[tuple[int, str]]:
    """(order, label) of every effect from top to bottom."""
    labelled = group.assign(label=_labels(group))
    means = labelled.groupby(["order", "label"], sort=False)["estimate"].mean().reset_index()
    ranked = means.sort_values(["order", "estimate"], ascending=[True, False], kind="stable", na_position="last")
    return list(zip(ranked["order"], ranked["label"], strict=True))


def _labels(group: pd.DataFrame) -> list[str]:
    pairs = zip(group["term"], group["aliases"], strict=True)
    return [wrap(_whole(term, aliases), LABEL_ROOM) for term, aliases in pairs]


def _whole(term: str, aliases: str | None) -> str:
    # Spaces that may not be broken keep the two factors of an interaction on one line.
    text = f"{term} = {aliases}" if isinstance(aliases, str) else term
    return text.replace(" × ", "\u00a0×\u00a0")


def _places(order: list[tuple[int, str]]) -> dict[str, float]:
    """Label → height of its middle in inches, from the top down."""
    places, top, last = {}, 0.0, 1
    for size, label in order:
        top -= 0.12 if size != last else 0.0
        tall = ROW_LINE * (label.count("\n") + 1) + BETWEEN
        places[label], top, last = top - tall / 2, top - tall, size
    return places


def _height(order: list[tuple[int, str]]) -> float:
    places = _places(order)
    return max(places.values()) - min(places.values()) + 0.3


def _row(part: SubFigure, group: pd.DataFrame, order: list[tuple[int, str]]) -> None:
    names = list(dict.fromkeys(group["panel"]))
    axes = part.subplots(1, len(names), sharey=True, squeeze=False)[0]
    places = _places(order)
    for axis, name in zip(axes, names, strict=True):
        _panel(axis, group[group["panel"] == name], places, 72 * 4.2 / len(names))
    axes[0].set_yticks(list(places.values()), list(places), multialignment="right")
    axes[0].set_ylim(min(places.values()) - 0.15, 0)
    divide = [places[label] for size, label in order if size == 1]
    for axis in axes:
        axis.tick_params(axis="y", length=0)
        axis.grid(visible=False, axis="y")
        if divide and len(divide) < len(order):
            axis.axhline(min(divide) - 0.17, color="0.6", linewidth=0.6)


def _panel(axis: Axes, group: pd.DataFrame, places: dict[str, float], room: float) -> None:
    first = group.iloc[0]
    axis.set_title(wrap(said(first["panel"], first["left_out"]), room, 9))
    axis.set_xlabel(f"test {first['metric']}, points\n{first['n']} runs")
    axis.axvline(0, color="black", linewidth=0.8, zorder=1)
    if pd.notna(first["margin"]):
        axis.axvspan(-100 * first["margin"], 100 * first["margin"], zorder=0, **MARGIN)
    for row, label in zip(group.itertuples(), _labels(group), strict=True):
        _effect(axis, row, places[label])


def _effect(axis: Axes, row: Any, place: float) -> None:
    if pd.isna(row.estimate):
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axis.text(0.5, place, "not estimable", transform=axis.get_yaxis_transform(), va="center", ha="center", bbox=box)
    elif pd.isna(row.low):
        axis.plot(100 * row.estimate, place, **NO_INTERVAL)
    else:
        axis.plot([100 * row.low, 100 * row.high], [place, place], color="black", linewidth=1, zorder=2)
        look = {"color": "black", "markersize": 5.5, **LOOKS[row.verdict]}
        axis.plot(100 * row.estimate, place, linestyle="none", zorder=3, **look)


def _handles(frame: pd.DataFrame) -> list[Any]:
    dot: dict[str, Any] = {"linestyle": "none", "color": "black", "markersize": 5.5}
    bounded = frame[frame["low"].notna()]
    lines: list[Any] = [
        Line2D([], [], label=MEANING[name], **dot, **look)
        for name, look in LOOKS.items()
        if (bounded["verdict"] == name).any()
    ]
    if (frame["estimate"].notna() & frame["low"].isna()).any():
        lines.append(Line2D([], [], label="no interval: too few runs", **NO_INTERVAL))
    if frame["margin"].notna().any():
        lines.append(Patch(label="registered margin of equivalence", **MARGIN))
    return [*lines, Line2D([], [], color="black", linewidth=1, label="95 % interval, not corrected")]
