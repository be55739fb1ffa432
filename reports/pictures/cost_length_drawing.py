"""Draws ``cost_length``: three panels beside each other, and below them a key with the exponents in columns."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, NullLocator

from ..style import line_style
from .layout import LINE, log_ticks, page, wrap

PLOT_HEIGHT = 2.6  # inches
NAME_ROOM = 150  # points for a variant's name in the key
NAMES = {"flops": "FLOPs", "seconds": "seconds, median\n(bars: p20 to p80)", "memory": "memory, bytes"}
COLUMNS = {"flops": 0.37, "seconds": 0.58, "memory": 0.8}  # of the key, as fractions of its width
KINDS = {"forward": "A forward pass", "training": "A training step"}


def draw_cost_length(frame: pd.DataFrame, title: str) -> Figure:
    """One row per measurement: forward passes, training steps."""
    groups = [group for _, group in frame.groupby("measured", sort=False)]
    figure, parts = page([PLOT_HEIGHT + _key_height(group) for group in groups], title)
    for part, group in zip(parts, groups, strict=True):
        _measurement(part, group, _looks(frame))
    return figure


def _looks(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Variant → look, the same in all rows."""
    variants = list(dict.fromkeys(frame["variant"]))
    return {variant: line_style(index, len(variants)) for index, variant in enumerate(variants)}


def _key_height(group: pd.DataFrame) -> float:
    return LINE * (sum(_lines(variant) for variant in group["variant"].unique()) + 1.4)


def _lines(variant: str) -> int:
    return wrap(variant, NAME_ROOM).count("\n") + 1


def _measurement(part: SubFigure, group: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    quantities = list(dict.fromkeys(group["quantity"]))
    top, bottom = part.subfigures(2, 1, squeeze=False, height_ratios=[PLOT_HEIGHT, _key_height(group)])[:, 0]
    axes = top.subplots(1, len(quantities), squeeze=False)[0]
    first = group.iloc[0]
    texts = "text" if first["batch"] == 1 else "texts"
    what = f"{KINDS[first['mode']]} of {first['batch']} {texts}, {first['device']}, {first['precision']}"
    top.suptitle(what, x=0.01, ha="left", fontsize=9)
    for axis, quantity in zip(axes, quantities, strict=True):
        _quantity(axis, group[group["quantity"] == quantity], looks)
    _key(bottom, group, looks)


def _quantity(axis: Axes, rows: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    axis.set(xscale="log", yscale="log", xlabel="tokens", ylabel=NAMES[rows["quantity"].iloc[0]])
    for variant, line in rows.groupby("variant", sort=False):
        ordered, look = line.sort_values("length"), looks[str(variant)]
        axis.plot(ordered["length"], ordered["value"], zorder=3, **look)
        if ordered["low"].notna().any():
            bars = [ordered["value"] - ordered["low"], ordered["high"] - ordered["value"]]
            look_of_bar = {"ecolor": look["color"], "elinewidth": 0.8, "capsize": 2}
            axis.errorbar(ordered["length"], ordered["value"], yerr=bars, fmt="none", zorder=2, **look_of_bar)
    lengths = sorted(rows["length"].unique())
    axis.xaxis.set_major_locator(FixedLocator(lengths))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.tick_params(axis="x", rotation=30)
    log_ticks(axis.yaxis, rows["value"].tolist())


def _key(part: SubFigure, group: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    axis = part.subplots()
    axis.set_axis_off()
    total = _key_height(group) / LINE
    axis.set(xlim=(0, 1), ylim=(total, 0))
    axis.text(0.09, 0.5, "exponent of length (95 % interval)", va="center")
    for quantity, x in COLUMNS.items():
        axis.text(x, 0.5, quantity if quantity != "flops" else "FLOPs", va="center")
    top = 1.2
    for variant, rows in group.groupby("variant", sort=False):
        lines = _lines(str(variant))
        middle = top + lines / 2
        axis.plot([0.01, 0.04, 0.07], [middle] * 3, markevery=[1], **looks[str(variant)])
        axis.text(0.09, middle, wrap(str(variant), NAME_ROOM), va="center")
        for row in rows.drop_duplicates("quantity").itertuples():
            axis.text(COLUMNS[str(row.quantity)], middle, _bounded(row), va="center")
        top += lines


def _bounded(row: Any) -> str:
    if pd.isna(row.exponent):
        return "—"
    bounds = "" if pd.isna(row.exponent_low) else f" [{row.exponent_low:.2f}, {row.exponent_high:.2f}]"
    return f"{row.exponent:.2f}{bounds}".replace("-", "−")
