"""Everything that is known of one run, as data for the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from swarmformer.records import (
    CONFIG,
    COSTS,
    ENVIRONMENT,
    EXTENDED,
    FAILURE,
    FLOORS,
    OF_TEXT,
    PLAN,
    PRECISION,
    REGISTERED,
    RESULT,
    CurveLine,
    UnreadableFileError,
    load_json,
    read_curve,
)

from ..study.grid import Cell
from ..study.model import GridStudy
from .yaml_text import yaml_text

FILES = (PLAN, REGISTERED, EXTENDED, PRECISION, FLOORS, COSTS)
"""Of a grid's own."""
MOST_POINTS = 400
"""Of a curve; a longer one is thinned, and the page says so."""
BESIDE = ("kind", "step", "epoch", "n")
"""Of a line, what is no measure."""
FIRST = ("train loss", "validation accuracy", "validation loss")
"""The curves that most ask for."""
Content = TypeVar("Content")


def run_record(grid: GridStudy, cell: Cell) -> dict[str, Any]:
    """Files of one cell as YAML, its metrics and curves; ``problems`` names the files that cannot be read."""
    folder, problems = cell_folder(grid, cell), list[str]()
    config, environment, failure, result = (
        _read(_json, folder / name, dict[str, Any](), problems) for name in (CONFIG, ENVIRONMENT, FAILURE, RESULT)
    )
    lines = _read(partial(read_curve, done=cell.result), folder, list[CurveLine](), problems)
    parts = {"Configuration": config.get("spec"), "Environment": environment, "Result": result}
    return {
        "traceback": failure.get("traceback", ""), "problems": problems, "curves": curves(lines),
        "parts": {head: yaml_text(value) for head, value in parts.items() if value},
        "files": sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else [],
    }  # fmt: skip


def cell_folder(grid: GridStudy, cell: Cell) -> Path:
    """Where the files of a cell lie; the place of an unreadable one names the file after the folder."""
    return grid.folder / Path(cell.where).parts[1]


def _read(function: Callable[[Path], Content], path: Path, otherwise: Content, problems: list[str]) -> Content:
    """What ``function`` reads from ``path``; where it cannot, ``otherwise``, and ``problems`` says why."""
    try:
        return function(path)
    except UnreadableFileError as error:
        problems.append(f"{error.path.name}: {error.reason}")
        return otherwise


def _json(path: Path) -> dict[str, Any]:
    """An object as it stands in its file; empty where there is none."""
    return load_json(path) if path.exists() else {}


def curves(lines: Sequence[CurveLine]) -> list[dict[str, Any]]:
    """Every measure of every kind of line, over steps; ``every`` is 1 where no point was left out."""
    points: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for name, value in line:
            if name not in BESIDE and (value is not None or name not in OF_TEXT):
                points.setdefault(f"{line.kind} {name}", []).append((line.step, value))
    names = [*(name for name in FIRST if name in points), *sorted(points.keys() - set(FIRST))]
    return [_curve(name, points[name]) for name in names]


def _curve(name: str, points: Sequence[tuple[int, float]]) -> dict[str, Any]:
    every = -(-len(points) // MOST_POINTS)
    steps, values = zip(*points[::every], strict=True)
    return {"name": name, "every": every, "steps": steps, "values": values, "first": name in FIRST}
