"""One look for every picture: legible in grey, the same bytes from the same input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import colormaps
from matplotlib.figure import Figure

RC: Any = {
    "font.family": "DejaVu Sans",  # travels with matplotlib, so that every machine has it
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.92",
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "text.parse_math": False,  # a "$" in an arm's name is a "$"
    "svg.hashsalt": "swarmformer",
    "savefig.facecolor": "white",
}
FLOOR: dict[str, Any] = {"color": "0.45", "linestyle": (0, (5, 3)), "linewidth": 0.9}
CEILING: dict[str, Any] = {"color": "0.2", "linestyle": (0, (1, 2)), "linewidth": 1.1}
# Shape tells arms apart without colour; with the fill, twenty looks before one returns.
SHAPES = ("s", "^", "o", "v", "P", "X", "<", ">", "p", "h")


def base_style(index: int) -> dict[str, Any]:
    """Marker of the base; it has further, hollow ones where its runs are unlike and stand in several rows."""
    face, edge = ("black", "white") if index == 0 else ("white", "black")
    return {"marker": "D", "color": "black", "markerfacecolor": face, "markeredgecolor": edge, "markersize": 8}


def arm_style(index: int, count: int) -> dict[str, Any]:
    """Marker of the ``index``-th of ``count`` arms that are not the base."""
    color = colormaps["viridis"](0.05 + 0.72 * index / max(count - 1, 1))
    filled = (index // len(SHAPES)) % 2 == 0
    return {
        "marker": SHAPES[index % len(SHAPES)],
        "color": color,
        "markerfacecolor": color if filled else "white",
        "markeredgecolor": "white" if filled else color,  # parts markers that overlap
        "markersize": 7,
    }


def save(figure: Figure, path: Path) -> None:
    """Write ``path`` (.svg or .png) without dates or versions in it."""
    empty: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    with matplotlib.rc_context(RC):
        figure.savefig(path, dpi=160, metadata=empty[path.suffix.lstrip(".")])
