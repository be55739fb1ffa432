"""What a reader must know before trusting a table. Each function gives zero or more sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from .read import Grid
from .rows import Row


def unplanned(grid: Grid) -> list[str]:
    """Cell folders that lie in the grid but are not of its plan."""
    if not grid.unplanned:
        return []
    return [f"Not in the plan and left out: {', '.join(grid.unplanned)}."]


def repeated(runs: pd.DataFrame, unique: pd.DataFrame) -> list[str]:
    """Cells that would count one seed twice."""
    dropped = runs.loc[runs.index.difference(unique.index), "where"].tolist()
    return [f"A seed counts once; left out as repeated: {', '.join(dropped)}."] if dropped else []


def revisions(runs: pd.DataFrame) -> list[str]:
    """Results whose code cannot be checked out again."""
    found = sorted(set(runs["code_revision"]))
    dirty = [revision for revision in found if revision.endswith("-dirty")]
    said = []
    if dirty:
        said.append(f"Results from code with uncommitted changes: {', '.join(dirty)}.")
    if "unknown" in found:
        said.append("Results from code of an unknown revision.")
    return said


def strata(runs: pd.DataFrame, names: Mapping[str, str], mix: Collection[str]) -> list[str]:
    """Cells that are unlike in data, code or device, whether they were kept apart or mixed."""
    said = []
    for name, column in names.items():
        values = sorted(set(runs[column]))
        if len(values) < 2:
            continue
        done = (
            "averaged and paired together, as --mix asks"
            if name in mix
            else f"kept in separate rows and not paired; --mix {name} puts them together"
        )
        said.append(f"Cells differ in {column} ({'; '.join(values)}): {done}.")
    return said


def unpaired(rows: Sequence[Row], base: str | None) -> list[str]:
    """Finished arms that share no seed with a base of the same data, code and device."""
    if base is None:
        return []
    alone = [row.name for row in rows if row.n and not row.is_base and row.difference is None]
    return [f"No run of the base {base} to pair with: {', '.join(dict.fromkeys(alone))}."] if alone else []


def floor_data(rows: Sequence[Row], floors: Sequence[Row]) -> list[str]:
    """Floors that were measured on other data than the rows above them."""
    keys = {key for row in rows if row.n for key in row.data_key.split("; ")}
    measured = {floor.data_key for floor in floors}
    if not keys or not measured or keys == measured:
        return []
    return [
        f"Floors and arms were not all measured on the same data (floors: {'; '.join(sorted(measured))}; "
        f"arms: {'; '.join(sorted(keys))}): compare only rows of the same data."
    ]
