"""Pages, keys and labels whose text stays inside the picture and does not collide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from ..style import RC, SMALL, WIDTH

LINE = 0.165  # inches, a line of small text in a key
TITLE = 0.34  # inches
KEY_MARGIN = 46  # points beside a label of a key: its marker, and the space to the next column
DIGITS = 6  # of places, as fractions of the picture
MOST_COLUMNS = 3  # of a key
FEW_DECADES = 300  # largest over smallest, up to which a logarithmic axis has room for ticks at 1, 2 and 5


def text_width(text: str, size: float = SMALL) -> float:
    """Points that a line of text takes."""
    return size * sum(map(_advance, text.rstrip()))


@lru_cache
def _advance(character: str) -> float:
    """Width of a character in the font's size, without kerning."""
    font = get_font(findfont(RC["font.family"]))
    font.set_size(100, 72)
    fixed = font.load_char(ord(character), flags=LoadFlags.NO_HINTING).linearHoriAdvance
    return float(fixed) / 65536 / 100


def wrap(text: str, room: float, size: float = SMALL) -> str:
    """Break ``text`` into lines of at most ``room`` points: at spaces; in a longer word after "+"; else anywhere."""
    lines = [""]
    for piece in _pieces(text, room, size):
        if lines[-1] and text_width(lines[-1] + piece.rstrip(), size) > room:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str, room: float, size: float) -> Iterator[str]:
    """The parts of ``text`` that are kept whole, each with the space after it."""
    for word in re.findall(r"[^ ]* ?", text):
        for part in [word] if text_width(word, size) <= room else re.findall(r"[^+]*\+?", word):
            yield from [part] if text_width(part, size) <= room else part


def page(heights: Sequence[float], title: str) -> tuple[Figure, list[SubFigure]]:
    """A figure with a title and one part below the other, of these heights in inches."""
    text = wrap(title, 72 * WIDTH - 20, 10)
    head = TITLE + 0.17 * text.count("\n")
    figure = Figure(figsize=(WIDTH, sum(heights) + head), layout="constrained")
    figure.suptitle(text, x=0.01, ha="left", fontsize=10)
    parts = figure.subfigures(len(heights), squeeze=False, height_ratios=list(heights))[:, 0]
    return figure, list(parts)


def settle(figure: Figure) -> None:
    """Lay out and keep it so: each further layout would move things by a little, and no two files were the same."""
    if not isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        return
    for _ in range(2):  # names of axes stand where their ticks leave room, which the first layout changes
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    # The solver's last digits differ from run to run, and SVG names its clips by a hash of all digits.
    for part in figure.findobj(SubFigure):
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(DIGITS))
    for axis in figure.findobj(Axes):
        axis.set_position(Bbox(axis.get_position().get_points().round(DIGITS)))


def key(part: FigureBase, handles: Sequence[Any]) -> None:
    """A key below everything in ``part``; its labels are wrapped, its columns as many as fit."""
    for handle in handles:
        handle.set_label(_key_label(str(handle.get_label())))
    columns = _key_columns([str(handle.get_label()) for handle in handles])
    part.legend(handles=list(handles), loc="outside lower left", ncols=columns, handlelength=3.2, columnspacing=1.2)


def key_height(labels: Sequence[str]) -> float:
    """Inches that a key with these labels takes."""
    wrapped = [_key_label(label) for label in labels]
    rows = -(-len(wrapped) // _key_columns(wrapped))
    stacks = [wrapped[start : start + rows] for start in range(0, len(wrapped), rows)]
    return 0.12 + LINE * max((sum(1 + label.count("\n") for label in stack) for stack in stacks), default=0)


def _key_label(label: str) -> str:
    return wrap(label, 72 * WIDTH / 2 - KEY_MARGIN - 12)


def _key_columns(labels: Sequence[str]) -> int:
    widest = max((text_width(line) for label in labels for line in label.splitlines()), default=0)
    return max(1, min(MOST_COLUMNS, len(labels), int((72 * WIDTH - 16) // (widest + KEY_MARGIN))))


def name_levels(axis: Axes, levels: Sequence[tuple[float, str]], *, color: str = "0.25") -> None:
    """Write names right of the axes at their heights, moved apart where they lie close, with a line to each.

    Sizes must be final: call it after a layout.
    """
    ordered = sorted(levels)
    low, high = axis.get_ylim()
    height_points = axis.get_window_extent().height / axis.figure.dpi * 72
    lines = max((name.count("\n") + 1 for _, name in ordered), default=1)
    gap = (high - low) * (SMALL + 2.5) * lines / height_points
    places = spread([level for level, _ in ordered], gap, high)
    for (level, name), place in zip(ordered, places, strict=True):
        where = axis.get_yaxis_transform()
        arrow = {"arrowstyle": "-", "color": "0.45", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
        ends: dict[str, Any] = {"xycoords": where, "textcoords": where, "arrowprops": arrow}
        axis.annotate("", (1.0, level), (1.03, place), annotation_clip=False, **ends)
        axis.text(1.035, place, name, transform=where, va="center", fontsize=SMALL, color=color)


def log_ticks(axis: XAxis | YAxis, values: Sequence[float]) -> None:
    """Ticks of a logarithmic axis: at 1, 2 and 5 where there is room for them, with decimal prefixes."""
    few = max(values) / min(values) < FEW_DECADES
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(EngFormatter())


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
