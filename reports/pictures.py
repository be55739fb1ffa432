"""Test accuracy against FLOPs: one panel per table."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from .columns import varying
from .markdown import unique_titles
from .rows import Row, Table
from .statistics.interval import Interval
from .style import CEILING, FLOOR, RC, arm_style, base_style
from .words import plural

WIDTH, PLOT_HEIGHT, LEGEND_LINE = 7.2, 3.9, 0.21  # inches
LABEL_WIDTH = 48  # characters; a longer label is wrapped
LEGEND_INDENT = 60  # points left of the legend
LEGEND_MARGIN = 50  # points around a label: its marker, and the space to the next column
LOG_ABOVE = 4  # ratio of the largest to the smallest FLOPs from which the axis is logarithmic
FEW_DECADES = 300  # the ratio up to which a logarithmic axis has room for ticks at 1, 2 and 5


def accuracy_flops(tables: Sequence[Table]) -> Figure:
    """Draw every table's arms (bars: 95 % intervals over seeds), floors (dashed lines) and ceilings (dotted)."""
    heights = [PLOT_HEIGHT + LEGEND_LINE * -(-len(table.arms) // _legend_columns(table)) for table in tables]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
        parts = figure.subfigures(len(tables), squeeze=False, height_ratios=heights)[:, 0]
        for part, table, title in zip(parts, tables, unique_titles(tables), strict=True):
            axis = part.subplots()
            _panel(axis, table, title)
            figure.draw_without_rendering()  # limits and sizes are final only now; the names are spread by them
            _name_lines(axis, (*table.floors, *table.ceilings))
    return figure


def _panel(axis: Axes, table: Table, title: str) -> None:
    axis.set_title(title, loc="left", fontsize="medium")
    axis.set_ylabel("test accuracy, %")
    axis.set_xlabel("FLOPs per example (forward pass, multiply-adds × 2)")
    handles = _draw_arms(axis, table.arms)
    for row in (*table.floors, *table.ceilings):
        if row.accuracy is not None:
            axis.axhline(100 * row.accuracy.mean, zorder=1, **(CEILING if row.kind == "ceiling" else FLOOR))
    _scale(axis, [row.flops.forward for row in table.arms if row.flops and row.n])
    axis.margins(y=0.08)
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, -2), min(high, 102))  # with two seeds an interval may reach past what can be
    columns = _legend_columns(table)
    axis.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=columns)


def _draw_arms(axis: Axes, arms: Sequence[Row]) -> list[Line2D]:
    bases = [row for row in arms if row.is_base]
    others = [row for row in arms if not row.is_base]
    handles: list[Line2D] = []
    for row, label in zip(arms, varying(arms), strict=True):
        look = base_style(bases.index(row)) if row.is_base else arm_style(others.index(row), len(others))
        handles.append(_handle(row, textwrap.fill(label, LABEL_WIDTH), look))
        if row.accuracy is not None and row.flops is not None:
            _point(axis, row.flops.forward, row.accuracy, look)
    return handles


def _handle(row: Row, label: str, look: dict[str, Any]) -> Line2D:
    if row.accuracy is None:
        return Line2D([], [], linestyle="none", label=f"{label} (no finished run)")
    base = "base, " if row.is_base else ""
    return Line2D([], [], linestyle="none", label=f"{label} ({base}{plural(row.n, 'seed')})", **look)


def _point(axis: Axes, flops: int, accuracy: Interval, look: dict[str, Any]) -> None:
    """A marker above a bar that is drawn first, so that no bar hides another arm's marker."""
    mean, bars = 100 * accuracy.mean, _bars(accuracy)
    axis.errorbar(flops, mean, yerr=bars, fmt="none", ecolor=look["color"], elinewidth=1, capsize=3, zorder=2)
    axis.plot(flops, mean, linestyle="none", zorder=3, **look)


def _bars(interval: Interval) -> list[list[float]] | None:
    if interval.low is None or interval.high is None:
        return None
    return [[100 * (interval.mean - interval.low)], [100 * (interval.high - interval.mean)]]


def _scale(axis: Axes, flops: Sequence[int]) -> None:
    if not flops:
        axis.set_xticks([])
        axis.text(0.5, 0.5, "no finished run", transform=axis.transAxes, ha="center", va="center")
        return
    if min(flops) > 0 and max(flops) / min(flops) > LOG_ABOVE:
        axis.set_xscale("log")
        steps = (1, 2, 5) if max(flops) / min(flops) < FEW_DECADES else (1,)
        axis.xaxis.set_major_locator(LogLocator(subs=steps))
        axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(EngFormatter())
    axis.margins(x=0.08)


def _name_lines(axis: Axes, rows: Sequence[Row]) -> None:
    """Write the names of floors and ceilings right of the axes, moved apart where lines lie close together."""
    levels = sorted((100 * row.accuracy.mean, row.name) for row in rows if row.accuracy is not None)
    low, high = axis.get_ylim()
    height_points = axis.get_window_extent().height / axis.figure.dpi * 72
    gap = (high - low) * 10.5 / height_points  # a line of 8-point text
    places = spread([level for level, _ in levels], gap, high)
    for (level, name), place in zip(levels, places, strict=True):
        start, end = (1.0, level), (1.03, place)
        arrow = {"arrowstyle": "-", "color": FLOOR["color"], "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
        where = axis.get_yaxis_transform()
        axis.annotate("", start, end, xycoords=where, textcoords=where, arrowprops=arrow, annotation_clip=False)
        axis.text(1.035, place, name, transform=where, va="center", fontsize=8, color="0.25")


def spread(levels: Sequence[float], gap: float, top: float) -> list[float]:
    """Move ascending levels up until neighbours are ``gap`` apart, then down where they pass ``top``."""
    places: list[float] = []
    for level in levels:
        places.append(max(level, places[-1] + gap) if places else level)
    limit = top
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - gap
    return places


def _legend_columns(table: Table) -> int:
    """As many columns as the longest label leaves room for, at most three."""
    labels = [line for row, label in zip(table.arms, varying(table.arms), strict=True) for line in _lines(row, label)]
    # TextPath would read a "$" as the start of a formula; an S is as wide.
    paths = [TextPath((0, 0), line.replace("$", "S"), size=RC["font.size"]) for line in labels]
    widths = [path.get_extents().width for path in paths]
    room = 72 * WIDTH - LEGEND_INDENT
    return max(1, min(3, int(room // (max(widths, default=0) + LEGEND_MARGIN))))


def _lines(row: Row, label: str) -> list[str]:
    handle = _handle(row, textwrap.fill(label, LABEL_WIDTH), {})
    return str(handle.get_label()).splitlines()
