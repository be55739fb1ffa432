"""Floors of a grid's task, written to floors.json: ``python -m experiments.floors GRID.yaml --runs FOLDER``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from swarmformer.cli.command import CommandParser
from swarmformer.data.cut import Cut
from swarmformer.data.out_of_domain import copies_of, raw_out_of_domain
from swarmformer.data.predictors import compute_predictors, left_out
from swarmformer.environment import use_threads
from swarmformer.records import FLOORS, Floor, Floors, FloorsElsewhere, UnreadableFileError, load, save
from swarmformer.spec import RunSpec
from swarmformer.variants import make_out_of_domain, make_task

from .data import keys_of_others, load_data
from .plan.grid_file import first_spec, read_grid


def write_floors(grid: Path, folder: Path) -> None:
    """Compute the floors on the very splits that the arms are trained on; done once per data."""
    spec, seeds = first_spec(grid), read_grid(grid).seeds
    redrawn = spec.data.split_seed == "run"
    runs = [spec.model_copy(update={"seed": seed}) for seed in (seeds if redrawn else seeds[:1])]
    drawn, data_key = seeds if redrawn else (), load_data(runs[0]).source_key
    with FileLock(folder / "floors.lock"):
        if not is_current(folder / FLOORS, data_key, drawn, keys_of_others(spec.data)):
            _write(runs, folder, data_key, drawn)


def _write(runs: Sequence[RunSpec], folder: Path, data_key: str, seeds: Sequence[int]) -> None:
    data, seq_len = runs[0].data, runs[0].model.dims.seq_len
    task, cut = make_task(data), Cut(seq_len, data.cut, data.cut_share)
    others, keys = raw_out_of_domain(task, make_out_of_domain(data)), keys_of_others(data)
    how: dict[str, Any] = {"cut": cut, "tokenizer": data.tokenizer, "others": others}
    drawn = [compute_predictors(task, **how, **data.draw(run.seed)) for run in runs]
    of_task: dict[str, list[Floor]] = {name: [] for name in ("", *others)}
    for rows in zip(*drawn, strict=True):
        mean = _mean(rows)
        of_task[mean.pop("task", "")].append(Floor.model_validate(mean))
    floors = Floors(
        task=data.called, data_key=data_key, splits=len(runs), seeds=tuple(seeds), floors=tuple(of_task.pop("")),
        left_out=left_out(task),
        out_of_domain={
            name: FloorsElsewhere(data_key=keys[name], copies=copies_of(task, others[name]), floors=tuple(found))
            for name, found in of_task.items()
        },
    )  # fmt: skip
    save(folder / FLOORS, floors)


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One predictor over all splits: its mean accuracy; what else is said of it is of the first split."""
    first = rows[0]
    if len(rows) == 1:
        return first
    found = [row["accuracy"] for row in rows]
    detail = {**first["detail"], "splits": len(rows), "lowest": min(found), "highest": max(found)}
    return {**first, "accuracy": sum(found) / len(found), "detail": detail}


def is_current(path: Path, data_key: str, seeds: Sequence[int] = (), others: Mapping[str, str] | None = None) -> bool:
    """Whether the floors in ``path`` are of this data, on the splits that these seeds draw, and at least of these other
    tasks, by name with the key of their texts."""
    try:
        floors = load(path, Floors)
    except UnreadableFileError:
        return False
    known = {name: found.data_key for name, found in floors.out_of_domain.items()}
    return floors.data_key == data_key and floors.are_on(seeds) and known.items() >= (others or {}).items()


def main(arguments: Sequence[str] | None = None) -> int:
    """Started by the grid."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("grid", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args(arguments)
    use_threads(options.threads)
    write_floors(options.grid, options.runs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
