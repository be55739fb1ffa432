"""Which test examples the runs of an arm got right, for tests on examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarmformer.records import Predictions, Result, UnreadableFileError, read_predictions

from .model import Arm

Correct = Mapping[str, Mapping[int, NDArray[np.bool_]]]
"""Arm → seed → right or wrong per example, in one order."""
Answers = tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.bool_]]


def correct_of(
    folder: Path, arms: Sequence[Arm], results: Mapping[str, Result | None]
) -> tuple[Correct, list[str]]:
    """Of the arms all of whose runs have predictions, of one set of examples; and a warning where those cannot be
    used.

    Args:
        results: by ``where``; predictions must be those that a result was made of.
    """
    correct = dict[str, Mapping[int, NDArray[np.bool_]]]()
    warnings = list[str]()
    asked: Answers | None = None
    for arm in arms:
        try:
            answers = _answers(folder, arm, results)
        except UnreadableFileError as error:
            warnings.append(f"Predictions left out: {folder.name}/{error.path.parent.name}: {error.reason}.")
            continue
        asked = asked or next(iter(answers.values()), None)
        if asked and not all(map(partial(_same_examples, asked), answers.values())):
            warnings.append(f"Predictions of {arm.name} left out: they are of other examples than the first arm's.")
        elif answers:
            correct[arm.name] = {seed: right for seed, (_, _, right) in answers.items()}
    return correct, warnings


def _answers(folder: Path, arm: Arm, results: Mapping[str, Result | None]) -> dict[int, Answers]:
    """Empty where a run has no predictions."""
    pairs = zip(arm.column("seed"), arm.column("where"), strict=True)
    read = {int(seed): read_predictions(folder / Path(where).name, results.get(where)) for seed, where in pairs}
    present = {seed: _ordered(predictions) for seed, predictions in read.items() if predictions is not None}
    return present if len(present) == len(read) else {}


def _ordered(predictions: Predictions) -> Answers:
    order = np.argsort(predictions.names, kind="stable")
    return predictions.names[order], predictions.labels[order], predictions.correct[order]


def _same_examples(asked: Answers, answers: Answers) -> bool:
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(asked[:2], answers[:2], strict=True))
