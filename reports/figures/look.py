"""One look for every figure: legible in grey, in any script, the same bytes from the same input."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from logging import ERROR, getLogger
from typing import Any

from adjustText import adjust_text
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.font_manager import fontManager
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

WIDTH = 7.2  # inches: the text of a page
SMALL = 8  # points: the smallest text there is
LINE = 0.165  # inches: a line of small text
KEY_TEXT = {1: 112, 2: 48}  # characters of a line of a key, by its columns
FALLBACKS = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC",
             "Noto Sans", "Arial Unicode MS", "Last Resort High-Efficiency")  # fmt: skip
"""For what DejaVu Sans lacks; the last one, which travels with matplotlib, has a box for every character."""
INSTALLED = {font.name for font in fontManager.ttflist}
RC: Any = {
    "font.family": ["DejaVu Sans", *(name for name in FALLBACKS if name in INSTALLED)],
    "font.size": SMALL, "legend.fontsize": SMALL, "xtick.labelsize": SMALL, "ytick.labelsize": SMALL,
    "axes.titlesize": 9, "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "0.92", "legend.frameon": False,
    "lines.linewidth": 1.2, "hatch.linewidth": 0.6, "savefig.facecolor": "white",
    "text.parse_math": False,  # a "$" in an arm's name is a "$"
    "svg.hashsalt": "swarmformer",
}  # fmt: skip
SHAPES = ("s", "^", "o", "v", "P", "X", "<", ">", "p", "h", "*")
DASHES = ((5, 2), (1, 1.2), (5, 1.5, 1, 1.5), (9, 3), (5, 1.5, 1, 1.5, 1, 1.5), (2, 4))
LINES: tuple[Any, ...] = ("-", *((0, dashes) for dashes in DASHES))
LEADER: dict[str, Any] = {"arrowstyle": "-", "color": "0.45", "linewidth": 0.6}
getLogger("adjustText").setLevel(ERROR)  # it misses a method of sub-figures that ours has no need of


def line_style(index: int) -> dict[str, Any]:
    """A line whose dashes and marker together are its own among 77, so that they are told apart without colour."""
    # Viridis grows lighter all the way, so that its order survives in grey; its last quarter is too light on white.
    look = {"marker": SHAPES[index % len(SHAPES)], "linestyle": LINES[index % len(LINES)], "markersize": 5}
    edge = {"markeredgecolor": "white", "markeredgewidth": 0.5}
    return {**look, **edge, "color": colormaps["viridis"](index * 3 % 7 / 9)}


def line_styles(values: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Value → its line, in the order in which values first come."""
    return {value: line_style(index) for index, value in enumerate(dict.fromkeys(values))}


def literal(value: Any) -> Any:
    """A text with a sign for every character that no font draws and no SVG may hold: control characters, surrogates."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", _sign, value) if isinstance(value, str) else value


def _sign(match: re.Match[str]) -> str:
    return {"\n": "↵", "\t": "→"}.get(match[0], "\ufffd")


def wrapped(text: str, characters: int) -> str:
    """Lines of at most so many characters: broken at spaces and after "+", in longer names after "_", else anywhere."""
    text = re.sub(r"[^\s+]+", lambda name: name[0].replace("_", "_\0 ") if len(name[0]) > characters else name[0], text)
    return textwrap.fill(text.replace("+", "+\0 "), characters).replace("\0 ", "").replace("\0", "")


def page(heights: Sequence[float], title: str) -> tuple[Figure, list[SubFigure]]:
    """A figure with a title and one part below the other, of these heights in inches."""
    text = wrapped(title, 84)
    head = 0.35 + 0.17 * text.count("\n")
    figure = Figure(figsize=(WIDTH, sum(heights) + head), layout="constrained")
    figure.suptitle(text, x=0.01, ha="left", fontsize=10)
    return figure, list(figure.subfigures(len(heights), squeeze=False, height_ratios=list(heights))[:, 0])


def key(part: FigureBase, handles: Sequence[Any], columns: int) -> None:
    """A key below everything in ``part``."""
    if handles:
        look: dict[str, Any] = {"loc": "outside lower left", "handlelength": 3.2, "columnspacing": 1.2}
        part.legend(handles=list(handles), labels=_labels(handles, columns), ncols=columns, **look)


def key_height(handles: Sequence[Any], columns: int) -> float:
    """Inches that a key takes."""
    lines = [label.count("\n") + 1 for label in _labels(handles, columns)]
    rows = max(1, -(-len(lines) // columns))
    return LINE * max((sum(lines[start : start + rows]) + 1 for start in range(0, len(lines), rows)), default=0)


def _labels(handles: Sequence[Any], columns: int) -> list[str]:
    return [wrapped(str(handle.get_label()), KEY_TEXT[columns]) for handle in handles]


def name_levels(axis: Axes, names: Mapping[str, float]) -> None:
    """Write names right of the axes at their heights; ``settle`` moves those apart that overlap."""
    for name, level in names.items():
        look: dict[str, Any] = {"va": "center", "multialignment": "left", "gid": "level"}
        axis.text(1.06, level, wrapped(name, 40), transform=axis.get_yaxis_transform(), **look)


def settle(figure: Figure) -> None:
    """Lay out, keep it so, and move labels apart: a layout more would move everything by a little."""
    for _ in range(2):  # names of axes stand where their ticks leave room, which the first layout changes
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    # The solver's last digits differ from run to run, and SVG names its clips by a hash of all digits.
    for part in figure.findobj(SubFigure):
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axis in figure.findobj(Axes):
        axis.set_position(Bbox(axis.get_position().get_points().round(6)))
        _spread_levels(axis, sorted(_labelled(axis, "level"), key=lambda text: text.get_position()[1]))
        _spread(axis, _labelled(axis, "point"), expand=(1.3, 1.4), force_text=(0.3, 0.5))


def _labelled(axis: Axes, gid: str) -> list[Any]:
    return [text for text in axis.texts if text.get_gid() == gid]


def _spread_levels(axis: Axes, texts: Sequence[Any]) -> None:
    levels, (low, high) = [text.get_position()[1] for text in texts], axis.get_ylim()
    # Two at one height would be pushed the same way, and of two close ones a name of two lines past one of one line.
    for rank, text in enumerate(texts):
        text.set_y(levels[rank] + rank * (high - low) / 40)
    free: dict[str, Any] = {"ensure_inside_axes": False, "avoid_self": False, "prevent_crossings": False}
    force: dict[str, Any] = {"expand": (1, 1.3), "force_text": (0, 1.0), "force_pull": (0, 0.001), "only_move": "y"}
    _spread(axis, texts, target_x=[1.0] * len(texts), target_y=levels, **free, **force)


def _spread(axis: Axes, texts: Sequence[Any], **options: Any) -> None:
    adjust_text(texts, ax=axis, iter_lim=300, min_arrow_len=1, arrowprops=LEADER, clip_on=False, **options)


def log_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Ticks of a logarithmic axis: at 1, 2 and 5 where there is room for them, with decimal prefixes."""
    few = max(values) / min(values) < 300
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(EngFormatter())
