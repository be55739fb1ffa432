"""Everything that is known of one run, as data for the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from ..cell_files import read_curve, read_environment
from ..errors import UnreadableFileError
from ..read import CONFIG, FAILURE, RESULT, Cell, Grid

MOST_POINTS = 400
"""Of a curve; a longer one is thinned, and the page says so."""
AXES = ("kind", "step", "epoch", "n")
Read = TypeVar("Read")


def run_record(grid: Grid, cell: Cell) -> dict[str, Any]:
    """Config, curves, environment and result of one cell; ``problems`` names the files that cannot be read."""
    folder, problems = cell_folder(grid, cell), list[str]()
    environment = _read(read_environment, folder, dict[str, Any](), problems)
    config = _read(_json, folder / CONFIG, dict[str, Any](), problems)
    failure = _read(_json, folder / FAILURE, dict[str, Any](), problems)
    result = _read(_json, folder / RESULT, dict[str, Any](), problems) if cell.result else {}
    return {
        "where": cell.where, "grid": grid.name, "arm": cell.arm, "seed": cell.seed, "task": cell.task,
        "status": str(cell.status), "cause": cell.cause,
        "result": result, "failure": failure.get("traceback", ""),
        "spec": config.get("spec", {}), "environment": environment,
        "curves": curves(_read(read_curve, folder, pd.DataFrame(), problems)),
        "files": sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else [],
        "problems": problems,
    }  # fmt: skip


def cell_folder(grid: Grid, cell: Cell) -> Path:
    """Where the files of a cell lie; the place of an unreadable one names the file after the folder."""
    return grid.folder / Path(cell.where).parts[1]


def _read(function: Callable[[Path], Read], path: Path, otherwise: Read, problems: list[str]) -> Read:
    """What ``function`` reads from ``path``; where it cannot, ``otherwise``, and ``problems`` says why."""
    try:
        return function(path)
    except UnreadableFileError as error:
        problems.append(f"{error.path.name}: {error.reason}")
        return otherwise


def _json(path: Path) -> dict[str, Any]:
    """An object as it stands in its file; empty where there is none."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, f"cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnreadableFileError(path, "holds no object")
    return found


def curves(records: pd.DataFrame) -> list[dict[str, Any]]:
    """Every measure of every kind of record, over steps; ``every`` is 1 where no point was left out."""
    if "kind" not in records or "step" not in records:
        return []
    found = []
    for kind, group in records.groupby("kind", sort=True):
        for name in sorted(set(group.columns) - set(AXES)):
            measured = group[[isinstance(value, int | float) for value in group[name]]].dropna(subset=[name, "step"])
            if len(measured):
                found.append(_curve(f"{kind} {name}", measured["step"].tolist(), measured[name].tolist()))
    return found


def _curve(name: str, steps: list[float], values: list[float]) -> dict[str, Any]:
    every = -(-len(steps) // MOST_POINTS)
    return {"name": name, "every": every, "steps": steps[::every], "values": [float(v) for v in values[::every]]}
