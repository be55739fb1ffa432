"""What finished cells have beside their results. ``keep_weights: best``: of every arm the model of one seed, chosen as
trials are, by validation alone. Models and answers that a grid asks for and that cells lack."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from swarmformer import records
from swarmformer.hub.source import KEPT
from swarmformer.records import RESULT, TrialMetric, UnreadableFileError

from ..data import keys_of_others
from ..plan import Cell, Plan
from ..tuning import validation_score

REMOVED = f".{KEPT}-removed"


def keep_best(plan: Plan, folder: Path, arm: str | None = None) -> None:
    """Remove the models of finished cells that are not the best of their arm so far; of one arm, or of all.

    A cell writes its model before its result, and this looks at results alone: whatever dies where, an arm with a
    finished cell has its best model, and what is left over goes the next time. Grids that share a folder take turns.
    """
    with FileLock(folder / "models.lock"):
        for cells in plan.cells_by_arm(arm):
            finished = [found for cell in cells if (found := _finished(cell, folder, plan.metric))]
            with_model = [(score, -seed, path) for score, seed, path in finished if (path / KEPT).is_dir()]
            best = max(with_model, default=(0, 0, None))[2]
            for _, _, path in finished:
                _tidy(path, keep=path == best)


def lacking(plan: Plan, folder: Path) -> list[Path]:
    """Finished cells whose model the grid asks for and that kept none: they ran before it asked."""
    found = list[Path]()
    for cells in plan.cells_by_arm() if plan.grid.keep_weights else ():
        finished = [path for cell in cells if ((path := cell.folder(folder)) / RESULT).exists()]
        without = [path for path in finished if not (path / KEPT).is_dir()]
        found += without if plan.grid.keep_weights is True or len(without) == len(finished) else []
    return found


def unasked(plan: Plan, folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Finished cells that have not answered the other tasks as they are now, and the tasks they lack."""
    asked = keys_of_others(plan.arms[0].spec.data)  # the same of all arms
    for cell in plan.cells() if asked else ():
        path = cell.folder(folder)
        if (path / RESULT).exists():
            with suppress(UnreadableFileError):  # reports say so
                found = records.load(path / RESULT, records.Result).out_of_domain
                known = {name: answered.data_key for name, answered in found.items()}
                if lacking := sorted(name for name, key in asked.items() if known.get(name) != key):
                    yield path, lacking


def _finished(cell: Cell, folder: Path, metric: TrialMetric) -> tuple[float, int, Path] | None:
    """Its score on validation, its seed and its folder."""
    path = cell.folder(folder)
    if not (path / RESULT).exists():
        return None
    try:
        result = records.load(path / RESULT, records.Result)
    except UnreadableFileError:  # reports say so
        return None
    return validation_score(result.metrics.validation, metric), cell.spec.seed, path


def _tidy(path: Path, keep: bool) -> None:
    """Remove a cell's model, unless it is kept, and what an interrupted removal left; the name goes first."""
    if not keep and (path / KEPT).exists():
        shutil.rmtree(path / REMOVED, ignore_errors=True)
        (path / KEPT).rename(path / REMOVED)
    shutil.rmtree(path / REMOVED, ignore_errors=True)
