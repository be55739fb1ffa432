"""Who answered what: predictions of the test split, by the examples that several runs were asked, and their texts,
which are given beside the runs: evidence itself keeps names alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from swarmformer.records import UnreadableFileError

from ..errors import ReportError
from ..kinds import Strict
from ..study.grid import Cell
from ..study.model import GridStudy, Study
from ..study.predictions import Asked, Read

MOST_TEXTS = 2000
"""Of one set of examples, unless the caller says otherwise."""
MOST_CHARACTERS = 3000
"""Of one text; a longer one is cut, and the page says so."""


@dataclass(frozen=True)
class Answered:
    """A completed run with its predictions."""

    grid: GridStudy
    cell: Cell
    asked: Asked
    answers: np.ndarray

    @property
    def digest(self) -> str:
        """Of the names and labels that it was asked."""
        return self.asked.digest

    @property
    def names(self) -> np.ndarray:
        return self.asked.names

    @property
    def labels(self) -> np.ndarray:
        return self.asked.labels


def answered(study: Study) -> tuple[list[Answered], list[str]]:
    """All runs that keep predictions, and the files that cannot be read."""
    runs, problems = list[Answered](), list[str]()
    for grid in study.grids:
        read = grid.answers or Read(grid.folder)
        for cell in sorted((cell for cell in grid.cells if cell.result), key=lambda cell: cell.where):
            try:
                found = read.of(cell.where, cell.result)
            except UnreadableFileError as error:
                problems.append(f"{cell.where}/{error.path.name}: {error.reason}")
                continue
            if found is not None:
                runs.append(Answered(grid, cell, found.asked, found.given))
    return runs, problems


def example_sets(runs: Sequence[Answered]) -> Iterator[tuple[dict[str, Any], list[Answered]]]:
    """The sets of examples that at least two runs of one grid were asked, with those runs."""
    groups: dict[tuple[str, str], list[Answered]] = {}
    for run in runs:
        groups.setdefault((run.grid.folder.name, run.digest), []).append(run)
    for (folder, digest), members in groups.items():
        first = members[0]
        record = {
            "id": f"{folder}/{digest}", "grid": first.grid.name, "task": first.cell.task, "count": len(first.names),
            "digest": digest,
            "runs": [{"where": run.cell.where, "arm": run.cell.arm, "seed": run.cell.seed} for run in members],
        }  # fmt: skip
        if len(members) > 1:
            yield record, members


class Text(Strict):
    """One line of the file."""

    name: str
    text: str


@dataclass(frozen=True)
class Texts:
    """Texts by name, of one task."""

    task: str
    path: Path
    by_name: dict[str, str]

    def of(self, name: str) -> str | None:
        """The text of an example, or of the one that ``example@position`` is asked in."""
        text, at, _ = name.rpartition("@")
        return self.by_name.get(name, self.by_name.get(text) if at else None)


def read_texts(path: Path, task: str, answered: Sequence[Answered]) -> Texts:
    """Read ``path``, JSON lines with name and text of the test examples of ``task``.

    Raises ReportError where a line is not that, a name comes twice or none is an example's, no run kept its
    predictions of the task, or its runs give one name to different examples.
    """
    _check_labels(task, answered)
    by_name: dict[str, str] = {}
    for number, entry in _lines(path):
        if entry.name in by_name:
            raise ReportError(f"{path}, line {number}: the name {entry.name!r} comes twice; keep one of them.")
        by_name[entry.name] = entry.text
    texts = Texts(task, path, by_name)
    if not any(texts.of(name) is not None for run in _of_task(task, answered) for name in run.names.tolist()):
        raise ReportError(f"{path}: none of its names is of a test example of task {task}. Names are like those in "
                          "predictions.npz of a run.")  # fmt: skip
    return texts


def _lines(path: Path) -> Iterator[tuple[int, Text]]:
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, Text.model_validate_json(line)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise ReportError(f"{path}, line {number}: {problem['msg']}; wanted: name and text, both strings.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot be read ({error}). Name a file of JSON lines with --texts.") from error


def _of_task(task: str, answered: Sequence[Answered]) -> list[Answered]:
    return [run for run in answered if run.cell.task == task]


def _check_labels(task: str, answered: Sequence[Answered]) -> None:
    runs = {run.digest: run for run in _of_task(task, answered)}
    if not runs:
        known = sorted({str(run.cell.task) for run in answered})
        raise ReportError(f"--texts: no run of task {task!r} keeps predictions; those that do: {', '.join(known)}.")
    labels: dict[str, int] = {}
    for run in runs.values():
        for name, label in zip(run.names.tolist(), run.labels.tolist(), strict=True):
            if labels.setdefault(name, label) != label:
                raise ReportError(f"--texts: example {name!r} of task {task} is not the same in all RUNS (its labels "
                                  "differ); make a page of each.")  # fmt: skip


def most_divided(runs: Sequence[Answered], texts: Texts, most: int) -> tuple[list[tuple[int, str, int]], int]:
    """Place, text and whole length of the examples that runs answer differently, and how many such examples there are.

    At most ``most`` texts: first those about which the runs are most evenly divided into right and wrong.
    """
    answers = np.stack([run.answers for run in runs])
    divided = np.flatnonzero((answers != answers[0]).any(axis=0))
    share = (answers[:, divided] == runs[0].labels[divided]).mean(axis=0)
    order = divided[np.argsort(np.abs(share - 0.5), kind="stable")][:most]
    known = ((int(place), texts.of(str(runs[0].names[place]))) for place in np.sort(order))
    return [(place, text[:MOST_CHARACTERS], len(text)) for place, text in known if text is not None], len(divided)
