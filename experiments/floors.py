"""Floors of a grid's task, written to floors.json: ``python -m experiments.floors GRID.yaml --runs FOLDER``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from swarmformer.data.floors import compute_floors, left_out
from swarmformer.spec import RunSpec
from swarmformer.variants import make_task

from .cells import CellError, read_json, write_json
from .plan.grid_file import first_spec
from .runner import load_data, use_threads

NAME = "floors.json"


def write_floors(grid: Path, folder: Path) -> None:
    """Compute the floors on the very split that the arms are trained on; done once per data."""
    spec = first_spec(grid)
    data = load_data(spec)
    with FileLock(folder / "floors.lock"):
        if not is_current(folder / NAME, data.key):
            _write(spec, folder, data.key)


def _write(spec: RunSpec, folder: Path, data_key: str) -> None:
    task = make_task(spec.data)
    floors = compute_floors(task, validation_fraction=spec.data.validation_fraction, split_seed=spec.data.split_seed)
    rest = {"floors": floors, "left_out": left_out(task)}
    write_json(folder / NAME, {"task": spec.data.task.name, "data_key": data_key, **rest})


def is_current(path: Path, data_key: str) -> bool:
    """Whether the floors in ``path`` are of this data."""
    try:
        return read_json(path)["data_key"] == data_key
    except (CellError, KeyError):
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Started by the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grid", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args(arguments)
    use_threads(options.threads)
    write_floors(options.grid, options.runs)
    return 0
