"""One look for every picture: legible in grey, the same bytes from the same input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import colormaps
from matplotlib.figure import Figure

WIDTH = 7.2  # inches: the text of a page
SMALL = 8  # points: the smallest text there is
RC: Any = {
    "font.family": "DejaVu Sans",  # travels with matplotlib, so that every machine has it
    "font.size": SMALL,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.92",
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "lines.linewidth": 1.2,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a "$" in an arm's name is a "$"
    "svg.hashsalt": "swarmformer",
    "savefig.facecolor": "white",
}
FLOOR: dict[str, Any] = {"color": "0.45", "linestyle": (0, (5, 3)), "linewidth": 0.9}
CEILING: dict[str, Any] = {"color": "0.2", "linestyle": (0, (1, 2)), "linewidth": 1.1}
FRONT: dict[str, Any] = {"color": "0.3", "linestyle": "-", "linewidth": 1.0}
SHAPES = ("s", "^", "o", "v", "P", "X", "<", ">", "p", "h", "*")
FILLS = ("full", "none", "left", "bottom")
DASHES = ((5, 2), (1, 1.2), (5, 1.5, 1, 1.5), (9, 3), (5, 1.5, 1, 1.5, 1, 1.5), (2, 4))
LINES = ("-", *((0, dashes) for dashes in DASHES))
SMALL_SHAPES = {"*": 1.5}
"""Shapes that fill less of their box, and how much larger they are drawn."""
LOOKS = len(SHAPES) * len(FILLS)
"""How many points, or lines, can be told apart without colour."""


def base_style() -> dict[str, Any]:
    """The point of the base: no other arm has a diamond."""
    return {"marker": "D", "fillstyle": "full", "color": "black", "markeredgecolor": "white", "markersize": 8}


def arm_style(index: int, count: int) -> dict[str, Any]:
    """The point of the ``index``-th of ``count`` arms that are not the base: shape and fill are its own.

    Raises ValueError where there are more arms than ``LOOKS``.
    """
    if index >= LOOKS:
        raise ValueError(f"only {LOOKS} points can be told apart without colour")
    fill, color, shape = FILLS[index // len(SHAPES)], _color(index, count), SHAPES[index % len(SHAPES)]
    return {
        "marker": shape,
        "fillstyle": fill,
        "color": color,
        "markerfacecoloralt": "white",
        "markeredgecolor": "white" if fill == "full" else color,  # parts markers that overlap
        "markersize": 7 * SMALL_SHAPES.get(shape, 1),
    }


def line_style(index: int, count: int) -> dict[str, Any]:
    """The line of the ``index``-th of ``count`` series: its dashes and its marker together are its own.

    Raises ValueError where there are more series than ``LOOKS``.
    """
    if index >= LOOKS:
        raise ValueError(f"only {LOOKS} lines can be told apart without colour")
    shape = SHAPES[index % len(SHAPES)]
    look = {"marker": shape, "linestyle": LINES[index % len(LINES)], "color": _color(index, count)}
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.5}
    return {**look, **edge, "markersize": 4.5 * SMALL_SHAPES.get(shape, 1)}


def _color(index: int, count: int) -> Any:
    # Viridis grows lighter all the way, so that its order survives in grey; its last quarter is too light on white.
    return colormaps["viridis"](0.05 + 0.72 * index / max(count - 1, 1))


def save(figure: Figure, path: Path) -> None:
    """Write ``path`` (.svg or .png) without dates or versions in it."""
    empty: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    with matplotlib.rc_context(RC):
        figure.savefig(path, dpi=160, metadata=empty[path.suffix.lstrip(".")])
