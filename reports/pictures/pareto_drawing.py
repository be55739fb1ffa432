"""Draws ``pareto``: markers with bars, lines for floors and ceilings, a step line for the front."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from ..style import CEILING, FLOOR, FRONT, WIDTH, arm_style, base_style
from .layout import LINE, key, key_height, log_ticks, name_levels, page, settle, wrap
from .overlap import clear
from .panels import said

PLOT_HEIGHT = 3.3  # inches
MOST_NAMED = 30  # arms with a look of their own; where there are more, only the base and the front have one
OTHER: dict[str, Any] = {"marker": ".", "color": "0.6", "markersize": 5, "markeredgecolor": "0.6"}
LOG_ABOVE = 4  # ratio of the largest to the smallest cost from which the axis is logarithmic
GAP = 5  # points between markers that would overlap


def draw_pareto(frame: pd.DataFrame, title: str) -> Figure:
    """One row per grid; beside each other what it is drawn against."""
    groups = [group for _, group in frame.groupby("panel", sort=False)]
    handles = [_handles(group, _looks(group)) for group in groups]
    sides = frame["against"].nunique()
    heights = [
        PLOT_HEIGHT + _front_height(group, sides) + key_height([str(line.get_label()) for line in lines])
        for group, lines in zip(groups, handles, strict=True)
    ]
    figure, parts = page(heights, title)
    drawn = []
    for part, group, lines in zip(parts, groups, handles, strict=True):
        drawn += _panel(part, group)
        key(part, lines)
    figure.draw_without_rendering()  # limits and sizes are final only now; the names are spread by them
    for part, group in zip(parts, groups, strict=True):
        fixed = group[(group["kind"] != "arm") & (group["against"] == group["against"].iloc[0])]
        name_levels(part.axes[-1], [(100 * row.accuracy, wrap(row.name_, 105)) for row in _rows(fixed)])
    settle(figure)  # the names took room
    for axis, points in drawn:
        _move_apart(axis, points)
    return figure


def _rows(frame: pd.DataFrame) -> list[Any]:
    """Rows as tuples; ``name`` is a column's name that a tuple's attribute may not hide."""
    return list(frame.rename(columns={"name": "name_"}).itertuples())


def _looks(group: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Arm → look, the same on all sides of a panel."""
    arms = group[group["kind"] == "arm"]
    names = list(dict.fromkeys(arms["name"]))
    bases = list(dict.fromkeys(arms.loc[arms["is_base"], "name"]))[:1]
    named = names
    if len(names) > MOST_NAMED:
        named = [name for name in names if arms.loc[arms["name"] == name, "on_front"].any()]
    others = [name for name in named if name not in bases]
    own = {name: arm_style(index, len(others)) for index, name in enumerate(others)}
    return {name: base_style() if name in bases else own.get(name, OTHER) for name in names}


def _handles(group: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> list[Line2D]:
    arms = group[(group["kind"] == "arm") & (group["against"] == group["against"].iloc[0])]
    usual = _usual(arms)
    lines = [_handle(row, looks[row.name_], usual) for row in _rows(arms) if looks[row.name_] is not OTHER]
    lumped = sum(look is OTHER for look in looks.values())
    if lumped:
        lines.append(Line2D([], [], linestyle="none", label=f"{lumped} other arms", **OTHER))
    return [*lines, Line2D([], [], label="Pareto front of the means", drawstyle="steps-post", **FRONT)]


def _usual(arms: pd.DataFrame) -> int:
    """The number of seeds that most arms have."""
    counts = Counter(int(n) for n in arms["n"] if n)
    return max(counts, key=lambda n: (counts[n], n), default=0)


def _handle(row: Any, look: dict[str, Any], usual: int) -> Line2D:
    notes = ["base"] if row.is_base else []
    if row.n and row.n != usual:
        notes.append(f"{row.n} {'seed' if row.n == 1 else 'seeds'}")
    if isinstance(row.missing, str):
        notes.append(row.missing)
    label = f"{row.name_} ({', '.join(notes)})" if notes else row.name_
    return Line2D([], [], linestyle="none", label=label, **(look if row.n else {"marker": "none"}))


def _panel(part: SubFigure, group: pd.DataFrame) -> list[tuple[Axes, list[Point]]]:
    sides = [side for _, side in group.groupby("against", sort=False)]
    axes = part.subplots(1, len(sides), sharey=True, squeeze=False)[0]
    looks = _looks(group)
    drawn = [(axis, _side(axis, side, looks, len(sides))) for axis, side in zip(axes, sides, strict=True)]
    first = group.iloc[0]
    axes[0].set_title(said(first["panel"], first["left_out"]))
    usual = _usual(group[group["kind"] == "arm"])
    axes[0].set_ylabel(f"test accuracy, %\nmean of {usual} {'seed' if usual == 1 else 'seeds'}, 95 % interval")
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(max(low, -2), min(high, 102))  # with two seeds an interval may reach past what can be
    return drawn


def _side(axis: Axes, side: pd.DataFrame, looks: dict[str, dict[str, Any]], sides: int) -> list[Point]:
    for row in _rows(side[side["kind"] != "arm"]):
        axis.axhline(100 * row.accuracy, zorder=1, **(CEILING if row.kind == "ceiling" else FLOOR))
    placed = side[(side["kind"] == "arm") & side["cost"].notna()].sort_values(["cost", "accuracy"], kind="stable")
    points = [_point(axis, row, looks[row.name_]) for row in _rows(placed)]
    _scale(axis, placed["cost"].tolist(), "not measured")
    axis.margins(y=0.08)
    front = _front_text(placed[placed["on_front"].astype(bool)], sides)
    axis.set_xlabel(f"{_what(side)}\n{front}", loc="left")
    return points


@dataclass(frozen=True)
class Point:
    """An arm as drawn, where it stands, and whether it is on the front."""

    cost: float
    mean: float
    on_front: bool
    artists: tuple[Artist, ...]


def _point(axis: Axes, row: Any, look: dict[str, Any]) -> Point:
    """A marker above a bar that is drawn first, so that no bar hides another arm's marker."""
    mean = 100 * row.accuracy
    artists: list[Artist] = []
    if pd.notna(row.low):
        bars = [[mean - 100 * row.low], [100 * row.high - mean]]
        bar = {"ecolor": look["color"], "elinewidth": 0.8, "capsize": 2}
        artists += axis.errorbar(row.cost, mean, yerr=bars, fmt="none", zorder=2, **bar).get_children()
    artists += axis.plot(row.cost, mean, linestyle="none", zorder=3, **look)
    return Point(row.cost, mean, bool(row.on_front), tuple(artists))


def _move_apart(axis: Axes, points: list[Point]) -> None:
    """Move markers that overlap apart sideways, and draw the front through where they stand then."""
    if not points:
        return
    per_point = axis.figure.dpi / 72
    old = axis.transData.transform([(point.cost, point.mean) for point in points]) / per_point
    edges = axis.get_window_extent()
    new = clear(old.tolist(), GAP, edges.x0 / per_point + GAP, edges.x1 / per_point - GAP)
    for point, before, after in zip(points, old[:, 0], new, strict=True):
        shift = ScaledTranslation((after - before) / 72, 0, axis.figure.dpi_scale_trans)
        for artist in point.artists:
            artist.set_transform(axis.transData + shift)
    stands = sorted((after, point.mean) for after, point in zip(new, points, strict=True) if point.on_front)
    places = axis.transData.inverted().transform([(per_point * place, 0) for place, _ in stands])[:, 0]
    axis.plot(places, [mean for _, mean in stands], drawstyle="steps-post", zorder=1.5, **FRONT)


def _what(side: pd.DataFrame) -> str:
    if side["against"].iloc[0] == "flops":
        return "FLOPs per example, forward\n(overlapping arms moved apart)"
    return f"seconds of a forward pass, batch {side['batch'].iloc[0]}, median\n(overlapping arms moved apart)"


def _front_text(front: pd.DataFrame, sides: int) -> str:
    if front.empty:
        return ""
    return wrap(f"Front, cheapest first: {', '.join(front['name'])}", 72 * WIDTH / sides - (110 if sides == 1 else 72))


def _front_height(group: pd.DataFrame, sides: int) -> float:
    fronts = [side[side["on_front"].astype(bool)] for _, side in group.groupby("against", sort=False)]
    return LINE * max(1 + _front_text(front, sides).count("\n") + 1 for front in fronts)


def _scale(axis: Axes, costs: list[float], nothing: str) -> None:
    if not costs:
        axis.set_xticks([])
        axis.text(0.5, 0.5, nothing, transform=axis.transAxes, ha="center", va="center")
        return
    if min(costs) > 0 and max(costs) / min(costs) > LOG_ABOVE:
        axis.set_xscale("log")
        log_ticks(axis.xaxis, costs)
    else:
        axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(EngFormatter())
    axis.margins(x=0.08)
