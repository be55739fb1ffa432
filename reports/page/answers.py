"""Who answered what: predictions of the test split, packed so that 25,000 answers are 25 kB."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cell_files import Predictions, read_predictions
from ..errors import UnreadableFileError
from ..read import Cell, Grid
from .runs import cell_folder


@dataclass(frozen=True)
class Answered:
    """A completed run with its predictions; ``digest`` is of the names and labels that it was asked."""

    grid: Grid
    cell: Cell
    digest: str
    names: np.ndarray
    labels: np.ndarray
    answers: np.ndarray


def read_answers(grids: Sequence[Grid]) -> tuple[list[Answered], list[str]]:
    """All runs that keep predictions, and the files that cannot be read."""
    found, problems = list[Answered](), list[str]()
    for grid in grids:
        for cell in sorted(grid.cells, key=lambda cell: cell.where):
            if cell.result is None:
                continue
            try:
                predictions = read_predictions(cell_folder(grid, cell))
                found += [_answered(grid, cell, predictions)] if predictions else []
            except UnreadableFileError as error:
                problems.append(f"{cell.where}/{error.path.name}: {error.reason}")
    return found, problems


def _answered(grid: Grid, cell: Cell, predictions: Predictions) -> Answered:
    names, labels = predictions.names, predictions.labels
    asked = hashlib.sha256("\n".join(names.tolist()).encode("utf-8", "surrogatepass"))
    asked.update(labels.astype("<i8").tobytes())
    return Answered(grid, cell, asked.hexdigest()[:12], names, labels, predictions.logits_NK.argmax(axis=1))


def pack(values: np.ndarray) -> dict[str, Any]:
    """Whole numbers from 0 as one string of digits to the base 36, ``width`` digits each."""
    if not len(values):
        return {"width": 1, "digits": ""}
    width = len(np.base_repr(int(values.max()), 36))
    digit = [np.base_repr(value, 36).lower().zfill(width) for value in range(int(values.max()) + 1)]
    return {"width": width, "digits": "".join(digit[value] for value in values.tolist())}


def pack_names(names: Sequence[str]) -> dict[str, Any]:
    """Names; those that only count up (``test/0``, ``test/1`` …) as what stands before the number and the first."""
    first = re.fullmatch(r"(.*?)(0|[1-9][0-9]*)", names[0], re.DOTALL) if names else None
    if first:
        start = int(first[2])
        if all(name == f"{first[1]}{start + place}" for place, name in enumerate(names)):
            return {"prefix": first[1], "start": start, "count": len(names)}
    return {"names": list(names)}


def example_sets(answered: Sequence[Answered]) -> list[dict[str, Any]]:
    """The sets of examples that at least two runs of one grid were asked, with those runs."""
    groups: dict[tuple[str, str], list[Answered]] = {}
    for run in answered:
        groups.setdefault((run.grid.folder.name, run.digest), []).append(run)
    return [_example_set(runs) for runs in groups.values() if len(runs) > 1]


def _example_set(runs: Sequence[Answered]) -> dict[str, Any]:
    first = runs[0]
    task = first.cell.task
    return {
        "id": f"{first.grid.folder.name}/{first.digest}", "grid": first.grid.name, "task": task,
        "count": len(first.names), "part": f"examples/{first.digest}",
        "runs": [
            {"where": run.cell.where, "arm": run.cell.arm, "seed": run.cell.seed, "alike": _alike(run)} for run in runs
        ],
    }  # fmt: skip


def _alike(run: Answered) -> dict[str, str]:
    result = run.cell.result
    return {"code": result.code_revision, "device": result.device, "data": result.data_key} if result else {}
