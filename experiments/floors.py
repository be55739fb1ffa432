"""Floors of a grid's task, written to floors.json: ``python -m experiments.floors GRID.yaml --runs FOLDER``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from swarmformer.data.cut import Cut
from swarmformer.data.predictors import compute_predictors, left_out
from swarmformer.records import FLOORS, Floor, Floors, UnreadableFileError, load, save
from swarmformer.spec import RunSpec
from swarmformer.variants import make_task

from .data import load_data
from .plan.grid_file import first_spec, read_grid
from .runner import use_threads


def write_floors(grid: Path, folder: Path) -> None:
    """Compute the floors on the very splits that the arms are trained on; done once per data."""
    spec, seeds = first_spec(grid), read_grid(grid).seeds
    runs = [spec.model_copy(update={"seed": seed}) for seed in (seeds if spec.data.split_seed == "run" else seeds[:1])]
    data_key = load_data(runs[0]).source_key
    with FileLock(folder / "floors.lock"):
        if not is_current(folder / FLOORS, data_key, len(runs)):
            _write(runs, folder, data_key)


def _write(runs: Sequence[RunSpec], folder: Path, data_key: str) -> None:
    data, seq_len = runs[0].data, runs[0].model.dims.seq_len
    task, cut = make_task(data), Cut(seq_len, data.cut, data.cut_share)
    drawn = [compute_predictors(task, cut=cut, tokenizer=data.tokenizer, **data.draw(run.seed)) for run in runs]
    floors = tuple(Floor.model_validate(_mean(rows)) for rows in zip(*drawn, strict=True))
    floors_of = Floors(
        task=data.called, data_key=data_key, splits=len(runs), floors=floors, left_out=left_out(task)
    )
    save(folder / FLOORS, floors_of)


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One predictor over all splits: its mean accuracy; what else is said of it is of the first split."""
    first = rows[0]
    if len(rows) == 1:
        return first
    found = [row["accuracy"] for row in rows]
    detail = {**first["detail"], "splits": len(rows), "lowest": min(found), "highest": max(found)}
    return {**first, "accuracy": sum(found) / len(found), "detail": detail}


def is_current(path: Path, data_key: str, splits: int = 1) -> bool:
    """Whether the floors in ``path`` are of this data, and of so many splits of it."""
    try:
        floors = load(path, Floors)
    except UnreadableFileError:
        return False
    return (floors.data_key, floors.splits) == (data_key, splits)


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


if __name__ == "__main__":
    raise SystemExit(main())
