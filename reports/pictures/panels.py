"""What one panel of a picture stands for: the alike runs of one grid and task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ..evidence import Evidence
from ..read import Grid, Status
from ..schema import Design

FACTORIAL = ("factorial", "fractional")


@dataclass(frozen=True)
class Panel:
    """Completed runs of a grid and task that may stand together (``runs``: rows of the tidy table with a ``label``).

    arms: all that are planned or found, the plan's order first. left_out: completed runs that are unlike those, or
    repeat one.
    """

    name: str
    grid: Grid
    task: str
    runs: pd.DataFrame
    arms: tuple[str, ...]
    left_out: int

    @property
    def designs(self) -> list[Design]:
        """The factorial ones."""
        return [design for design in (self.grid.plan.designs if self.grid.plan else ()) if design.kind in FACTORIAL]


def panels(evidence: Evidence, grids: Sequence[str] | None = None) -> list[Panel]:
    """One per grid and task that has completed runs, of the ``grids`` named (None: of all)."""
    wanted = [grid for grid in evidence.grids if grids is None or grid.name in grids]
    return _unique([panel for grid in wanted for panel in _of_grid(evidence, grid)])


def said(name: str, left_out: int) -> str:
    """A panel's title: its name, and how many runs are not in it."""
    return f"{name} ({left_out} unlike {'run' if left_out == 1 else 'runs'} left out)" if left_out else name


def _of_grid(evidence: Evidence, grid: Grid) -> Iterator[Panel]:
    wheres = {cell.where for cell in grid.cells}
    known = evidence.runs[(evidence.runs["grid"] == grid.name) & evidence.runs["where"].isin(wheres)]
    alike = evidence.alike(grid).runs
    for task in sorted(known["task"].dropna().unique()):
        runs = alike[alike["task"] == task]
        mine = known[(known["task"] == task) | known["task"].isna()]
        finished = int(((mine["status"] == Status.COMPLETED) & (mine["task"] == task)).sum())
        if len(runs):
            name = f"{grid.name}, {task}"
            arms = dict.fromkeys((*(arm.arm for arm in grid.planned), *sorted(mine["arm"])))
            here = tuple(arm for arm in arms if arm in set(mine["arm"]))
            yield Panel(name, grid, task, _labelled(runs), here, finished - len(runs))


def _labelled(runs: pd.DataFrame) -> pd.DataFrame:
    """``label`` is the arm, with the run key where the arm has several configurations."""
    several = runs.groupby("arm")["run_key"].transform("nunique") > 1
    apart = runs["arm"] + " [" + runs["run_key"].str[:8] + "]"
    return runs.assign(label=runs["arm"].where(~several, apart))


def _unique(found: list[Panel]) -> list[Panel]:
    total, seen = Counter(panel.name for panel in found), Counter[str]()
    named = []
    for panel in found:
        seen[panel.name] += 1
        several = total[panel.name] > 1
        extra = f" ({seen[panel.name]} of {total[panel.name]})" if several else ""
        named.append(replace(panel, name=panel.name + extra))
    return named
