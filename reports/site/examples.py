"""Who answered what: predictions of the test split, by the examples that several runs were asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swarmformer.records import UnreadableFileError, read_predictions

from ..study.model import GridStudy, Study
from ..study.read import Cell
from .runs import cell_folder


@dataclass(frozen=True)
class Answered:
    """A completed run with its predictions; ``digest`` is of the names and labels that it was asked."""

    grid: GridStudy
    cell: Cell
    digest: str
    names: np.ndarray
    labels: np.ndarray
    answers: np.ndarray


def answered(study: Study) -> tuple[list[Answered], list[str]]:
    """All runs that keep predictions, and the files that cannot be read."""
    runs, problems = list[Answered](), list[str]()
    for grid in study.grids:
        for cell in sorted((cell for cell in grid.cells if cell.result), key=lambda cell: cell.where):
            try:
                predictions = read_predictions(cell_folder(grid, cell))
            except UnreadableFileError as error:
                problems.append(f"{cell.where}/{error.path.name}: {error.reason}")
                continue
            if predictions is not None:
                names, labels = predictions.names, predictions.labels
                answers = predictions.logits_NK.argmax(axis=1)
                runs.append(Answered(grid, cell, _digest(names, labels), names, labels, answers))
    return runs, problems


def _digest(names: np.ndarray, labels: np.ndarray) -> str:
    asked = hashlib.sha256("\n".join(names.tolist()).encode("utf-8", "surrogatepass"))
    asked.update(labels.astype("<i8").tobytes())
    return asked.hexdigest()[:12]


def example_sets(runs: Sequence[Answered]) -> Iterator[tuple[dict[str, Any], list[Answered]]]:
    """The sets of examples that at least two runs of one grid were asked, with those runs."""
    groups: dict[tuple[str, str], list[Answered]] = {}
    for run in runs:
        groups.setdefault((run.grid.folder.name, run.digest), []).append(run)
    for (folder, digest), members in groups.items():
        first = members[0]
        record = {
            "id": f"{folder}/{digest}", "grid": first.grid.name, "task": first.cell.task, "count": len(first.names),
            "part": f"examples/{digest}",
            "runs": [{"where": run.cell.where, "arm": run.cell.arm, "seed": run.cell.seed} for run in members],
        }  # fmt: skip
        if len(members) > 1:
            yield record, members
