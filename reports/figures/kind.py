"""What a kind of figure is, how one is registered, and how a drawing becomes a file."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from io import BytesIO
from typing import Any, ClassVar

import matplotlib
import pandas as pd
from matplotlib import figure as mpl
from matplotlib.axes import Axes

from ..kinds import Kinds, Strict
from ..study.model import GridStudy, Study
from ..study.subjects import Arm
from ..words import plural
from .look import RC, key, key_height, literal, page, settle, wrapped

FORMATS = ("svg", "png")
NO_DATES: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
QUIET = "Glyph .* missing from|The 'warn' method is deprecated"
"""A character that a font lacks costs no figure; adjustText complains of sub-figures in an old-fashioned way."""


class Figure(Strict, ABC):
    """A kind of figure with its options: rows of axes, each row with its heading and its key.

    ``read`` chooses what is drawn from the study; all else draws those rows and nothing else. ``rows`` and ``beside``
    name the columns of the data whose values part a figure into rows, and a row into axes.
    """

    rows: ClassVar[list[str]] = ["panel"]
    beside: ClassVar[str]
    shares_y: ClassVar[bool] = False
    has_one_key: ClassVar[bool] = False
    """One key below the last row, where all rows would have the same."""
    key_columns: ClassVar[int] = 2
    inches: ClassVar[float]

    grids: list[str] | None = None
    """Grids to draw; all that have something to show where it is not given."""

    @abstractmethod
    def read(self, study: Study) -> Iterator[dict[str, Any]]:
        """One row per mark; nothing where the study has nothing to show."""

    @abstractmethod
    def plot(self, axis: Axes, cell: pd.DataFrame, row: pd.DataFrame) -> None:
        """Draw one ``cell`` of a row."""

    @abstractmethod
    def handles(self, row: pd.DataFrame) -> list[Any]:
        """What the key of a row explains."""

    def height(self, row: pd.DataFrame) -> float:
        """Inches of a row without its key."""
        return self.inches

    def heading(self, row: pd.DataFrame) -> str:
        """What stands above a row."""
        return said(row)

    def panels(self, study: Study) -> Iterator[tuple[dict[str, Any], GridStudy]]:
        """What all rows of a grid and task begin with (panel: its title; left_out: unlike runs), and the grid."""
        for grid in study.grids:
            if (self.grids is None or grid.name in self.grids) and any(arm.n for arm in grid.arms):
                folder = "" if grid.folder.name == grid.name else f" ({grid.folder.name})"
                panel = {"panel": f"{grid.name}, {grid.task}{folder}", "left_out": sum(arm.n for arm in grid.others)}
                yield panel, grid

    def data(self, study: Study) -> pd.DataFrame:
        """All that is drawn."""
        frame = pd.DataFrame(list(self.read(study)))
        # A column of None alone would be one of objects, which cannot be drawn; read from CSV it is NaN too.
        return frame.astype({column: float for column in frame if frame[column].isna().all()})

    def draw(self, frame: pd.DataFrame, title: str) -> mpl.Figure:
        """Draw ``frame`` as ``data`` gave it, also when read again from CSV. Raises ValueError where it is empty."""
        if frame.empty:
            raise ValueError(f"{title}: nothing to draw")
        with matplotlib.rc_context(RC), warnings.catch_warnings():
            warnings.filterwarnings("ignore", QUIET)
            figure = self._paint(frame.map(literal), literal(title))
            settle(figure)
        return figure

    def _paint(self, frame: pd.DataFrame, title: str) -> mpl.Figure:
        groups = [row for _, row in frame.groupby(self.rows, sort=False)]
        keys = [self.handles(row) for row in groups]
        if self.has_one_key:
            keys = [*([] for _ in groups[1:]), self.handles(frame)]
        sizes = [self.height(row) + key_height(each, self.key_columns) for row, each in zip(groups, keys, strict=True)]
        figure, parts = page(sizes, title)
        for part, row, handles in zip(parts, groups, keys, strict=True):
            cells = [cell for _, cell in row.groupby(self.beside, sort=False)]
            axes = part.subplots(1, len(cells), sharey=self.shares_y, squeeze=False)[0]
            part.suptitle(wrapped(self.heading(row), 96), x=0.01, ha="left", fontsize=9)
            for axis, cell in zip(axes, cells, strict=True):
                self.plot(axis, cell, row)
            key(part, handles, self.key_columns)
        return figure


KINDS = Kinds[Figure]("kind of figure", __package__, "swarmformer.figures", Figure)
figure = KINDS.register


def drawn(painted: mpl.Figure, suffix: str) -> bytes:
    """The file of a figure, svg or png, without dates or versions in it; nothing that is drawn is cut off."""
    buffer = BytesIO()
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", QUIET)
        painted.savefig(buffer, format=suffix, dpi=160, bbox_inches="tight", metadata=NO_DATES[suffix])
    return buffer.getvalue()


def said(rows: pd.DataFrame) -> str:
    """A panel's title: its name, and how many runs are not in it."""
    name, count = rows[["panel", "left_out"]].iloc[0]
    return f"{name} ({plural(count, 'unlike run')} left out)" if count else name


def label(grid: GridStudy, arm: Arm) -> str:
    """An arm's name, with its run key where the grid has several configurations of that name."""
    return f"{arm.name} [{arm.run_key[:8]}]" if grid.namesakes[arm.name] > 1 else arm.name


def bounds(interval: Any, names: tuple[str, str, str] = ("mean", "low", "high")) -> dict[str, float | None]:
    """An interval's three values under these names; None where there is none."""
    values = (interval.mean, interval.low, interval.high) if interval else (None, None, None)
    return dict(zip(names, values, strict=True))
