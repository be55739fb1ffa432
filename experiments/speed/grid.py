"""Cells per hour of a grid: a pool of workers against one cell after another, each in a fresh process.

One after another, a cell is ``python -m experiments.worker CELL`` with all the machine's threads. The pool is
``swarmformer grid run``, its planning and start included. Floors and latency are left out on both
sides: they are no cells, and both would pay the same for them.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import yaml

from swarmformer.errors import SwarmformerError
from swarmformer.records import RESULT, CellsPerHour, GridSpeed, Result, SpeedRatio, SplitMetrics, load
from swarmformer.yaml import read_yaml

from ..cells import prepare
from ..data import load_data
from ..execute.local import usable_threads
from ..plan import Plan, load_plan
from ..speed.figure import Target, judged_figure

logger = logging.getLogger("swarmformer.speed")
LEAST, AIM = 1.3, 1.8
"""How many times as many cells an hour the pool must do, and is hoped to do."""
DEMO = Path(__file__).parents[1] / "grids" / "demo.yaml"


def measure_grid(
    folder: Path, *, arms: int | None = None, seeds: int | None = None, epochs: int | None = None,
    rounds: int = 1, workers: int = 2, grid: Path = DEMO,
) -> GridSpeed:  # fmt: skip
    """Run a grid both ways, in alternating order: seconds of every round for all cells, cells per hour by medians.

    ``same_metrics``: whether those of a cell agree to the last digit in the pool and alone, where it has more threads
    and sums may be taken in another order.

    Args:
        folder: must not hold runs yet; keeps all that ran.
        arms, seeds: take the first so many of the grid; None takes all.
        epochs: in place of the grid's own.

    Raises:
        SwarmformerError: a cell failed, or the pool's metrics differ from round to round.
        FileExistsError: runs are in ``folder`` already.
    """
    logger.info("measuring: cells per hour")
    path = _shortened(grid, folder, arms, seeds, epochs)
    plan = load_plan(path)
    load_data(plan.arms[0].spec)  # encoded once, before the clock starts
    ways: dict[str, Callable[[Path], None]] = {
        "alone": lambda runs: _one_after_another(plan, runs / plan.name),
        "pool": lambda runs: _pool(path, runs, workers),
    }
    seconds, metrics = _rounds(plan, ways, folder, rounds)
    if any(found != metrics["pool"][0] for found in metrics["pool"]):
        raise SwarmformerError(f"{folder}: the pool's metrics differ from round to round; a cell is not deterministic")
    cells = len(metrics["pool"][0])
    return GridSpeed(
        description=_words(plan, path),
        cells=cells,
        threads=usable_threads(),
        workers=workers,
        one_after_another_s=tuple(seconds["alone"]),
        pool_s=tuple(seconds["pool"]),
        cells_per_hour=per_hour(cells, seconds["alone"], seconds["pool"]),
        same_metrics=metrics["alone"][0] == metrics["pool"][0],
    )


def _rounds(
    plan: Plan, ways: Mapping[str, Callable[[Path], None]], folder: Path, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[dict[str, SplitMetrics]]]]:
    """By way, of every round: its seconds, and the metrics of its cells by name."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    metrics: dict[str, list[dict[str, SplitMetrics]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in sorted(ways, reverse=number % 2 == 1):
            runs = folder / f"{name}-{number}"
            runs.mkdir()
            started = time.monotonic()
            ways[name](runs)
            seconds[name].append(time.monotonic() - started)
            metrics[name].append(_metrics(plan, runs / plan.name))
    return seconds, metrics


def per_hour(cells: int, alone_s: Sequence[float], pool_s: Sequence[float]) -> CellsPerHour:
    """By the medians of the rounds."""
    return CellsPerHour(one_after_another=3600 * cells / median(alone_s), pool=3600 * cells / median(pool_s))


def grid_figure(found: GridSpeed) -> SpeedRatio:
    """The figure that comes of what ``measure_grid`` found."""
    ratio = median(found.one_after_another_s) / median(found.pool_s)
    title = f"grid, cells per hour ({found.description})"
    target = Target(title, (), f"{found.workers} workers", LEAST, AIM)
    return judged_figure(target, "one after another", ratio, (None, None), len(found.pool_s))


def _shortened(grid: Path, folder: Path, arms: int | None, seeds: int | None, epochs: int | None) -> Path:
    content = read_yaml(grid)
    content |= {"arms": content["arms"][:arms], "seeds": content["seeds"][:seeds], "floors": False, "latency": None}
    if epochs is not None:
        content["train"] = {**content.get("train", {}), "epochs": epochs}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / grid.name
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _words(plan: Plan, path: Path) -> str:
    epochs = plan.arms[0].spec.train.epochs
    return f"{path.stem}: {len(plan.arms)} arms × {len(plan.grid.seeds)} seeds, {epochs} epochs"


def _one_after_another(plan: Plan, folder: Path) -> None:
    for cell in plan.cells():
        place = cell.folder(folder)
        prepare(place, cell.arm, cell.spec)
        _run("experiments.worker", place, "--threads", usable_threads())


def _pool(path: Path, runs: Path, workers: int) -> None:
    _run("experiments.grid", "run", path, "--runs", runs, "--workers", workers)


def _run(*words: str | Path | int) -> None:
    done = subprocess.run([sys.executable, "-m", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SwarmformerError(f"{' '.join(map(str, words))} ended with status {done.returncode}: {done.stderr}")


def _metrics(plan: Plan, folder: Path) -> dict[str, SplitMetrics]:
    places = [cell.folder(folder) for cell in plan.cells()]
    return {place.name: load(place / RESULT, Result).metrics for place in places}
