"""Floors of a grid's task, written to floors.json: ``python -m experiments.floors GRID.yaml --runs FOLDER``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from swarmformer.data.cut import Cut
from swarmformer.data.predictors import compute_predictors, left_out
from swarmformer.records import FLOORS, Floor, Floors, UnreadableFileError, load, save
from swarmformer.spec import RunSpec
from swarmformer.variants import make_task

from .plan.grid_file import first_spec
from .runner import load_data, use_threads


def write_floors(grid: Path, folder: Path) -> None:
    """Compute the floors on the very split that the arms are trained on; done once per data."""
    spec = first_spec(grid)
    data = load_data(spec)
    with FileLock(folder / "floors.lock"):
        if not is_current(folder / FLOORS, data.key):
            _write(spec, folder, data.key)


def _write(spec: RunSpec, folder: Path, data_key: str) -> None:
    task = make_task(spec.data)
    data = spec.data
    rows = compute_predictors(
        task,
        validation_fraction=data.validation_fraction,
        split_seed=data.split_seed,
        cut=Cut(spec.model.dims.seq_len, data.cut, data.cut_share),
        tokenizer=data.tokenizer,
    )
    floors = tuple(Floor.model_validate(row) for row in rows)
    save(folder / FLOORS, Floors(task=data.task.name, data_key=data_key, floors=floors, left_out=left_out(task)))


def is_current(path: Path, data_key: str) -> bool:
    """Whether the floors in ``path`` are of this data."""
    try:
        return load(path, Floors).data_key == data_key
    except UnreadableFileError:
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
