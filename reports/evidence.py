"""What tables and pictures are made of: grids, their runs as one tidy table, and which runs may stand together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .costs import check_ceilings
from .errors import ReportError
from .frame import tidy_runs
from .read import Grid, Status, read_runs

STRATA = {"data": "data_key", "code": "code_revision", "device": "device"}
"""What must agree before runs are averaged or paired, by the name that --mix gives it."""


@dataclass(frozen=True)
class Kept:
    """Completed runs of one grid that are alike in data, code and device, and what was left out for being unlike."""

    runs: pd.DataFrame
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """Everything that was read."""

    grids: tuple[Grid, ...]
    runs: pd.DataFrame
    mix: frozenset[str] = frozenset()

    def alike(self, grid: Grid) -> Kept:
        """The largest set of alike runs of a grid, each seed of an arm once; the others are named in a warning.

        Runs that differ in what ``mix`` names count as alike.
        """
        finished = self.runs[(self.runs["grid"] == grid.name) & (self.runs["status"] == Status.COMPLETED)]
        wheres = {cell.where for cell in grid.cells}
        finished = finished[finished["where"].isin(wheres)]
        columns = [column for name, column in STRATA.items() if name not in self.mix]
        if finished.empty or not columns:
            return Kept(finished.drop_duplicates(["arm", "seed"]), ())
        groups = [group for _, group in finished.groupby(columns, sort=True)]
        kept = max(groups, key=len).drop_duplicates(["arm", "run_key", "seed"])
        left = finished[~finished["where"].isin(kept["where"])]
        warnings = [
            f"Left out, as they differ in data, code or device from the {len(kept)} runs used (--mix puts them "
            f"together): {', '.join(left['where'])}."
        ]
        return Kept(kept, tuple(warnings) if len(left) else ())


def gather(paths: Sequence[Path], mix: Collection[str] = ()) -> Evidence:
    """Read run folders.

    Raises ReportError where a path holds no runs, two folders have one name, or a figure is above physics.
    """
    grids = read_runs(paths)
    names = Counter(grid.folder.name for grid in grids)
    twice = [str(grid.folder) for grid in grids if names[grid.folder.name] > 1]
    if twice:
        raise ReportError(f"{', '.join(twice)}: a number is traced to its runs by the name of their folder, so that "
                          "two folders must not have one: rename one, or make a report of each")  # fmt: skip
    for grid in grids:
        check_ceilings(grid)
    return Evidence(tuple(grids), tidy_runs(grids), frozenset(mix))
