"""Floors and ceilings as lines of a table."""

from __future__ import annotations

from dataclasses import dataclass

from ..evidence import Evidence
from ..schema import Floor
from ..sheet import Entry
from ..statistics.interval import Interval, wilson
from ..words import with_bounds
from .entries import interval_raw


@dataclass(frozen=True)
class Line:
    """One predictor, measured once."""

    floor: Floor
    source: str

    @property
    def name(self) -> str:
        return self.floor.name if self.floor.split == "test" else f"{self.floor.name} ({self.floor.split} split)"

    @property
    def interval(self) -> Interval:
        """Wilson, over the examples."""
        return wilson(self.floor.accuracy, self.floor.n)

    @property
    def accuracy(self) -> Entry:
        """``35.85 [33.78, 37.98]``"""
        return Entry(with_bounds(self.interval), interval_raw("accuracy", self.interval), (self.source,))

    @property
    def examples(self) -> Entry:
        return Entry(f"{self.floor.n:,} examples", {"n": self.floor.n}, (self.source,))


def lines_on(evidence: Evidence, task: str, data_key: str) -> list[Line]:
    """Floors, then ceilings, that were measured on this data, in whichever grid; of one name, the first."""
    found: dict[str, Line] = {}
    for grid in evidence.grids:
        of_grid = grid.floors
        if of_grid is not None and (of_grid.task, of_grid.data_key) == (task, data_key):
            for floor in of_grid.floors:
                found.setdefault(floor.name, Line(floor, f"{grid.folder.name}/floors.json"))
    return sorted(found.values(), key=lambda line: line.floor.kind == "ceiling")


def best_floor(lines: list[Line]) -> Line | None:
    """The best predictor of the test split that knows nothing of how the examples are made."""
    floors = [line for line in lines if line.floor.kind == "floor" and line.floor.split == "test"]
    return max(floors, key=lambda line: line.floor.accuracy, default=None)
