"""Arms that did not leave the majority class: of which a difference says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

import numpy as np

from swarmformer.errors import listed
from swarmformer.records import Answers, UnreadableFileError

from ..words import percent, plural
from .model import GridStudy
from .predictions import Read
from .subjects import Arm

ALIKE = 0.99
"""Share of the answers that are one class, from which on a run is taken to give no other."""
NORMAL_95 = 1.96


def majority_warnings(grid: GridStudy) -> Iterator[str]:
    """Which arms have runs that are not shown to beat the most frequent class of the test split, or give hardly any
    other answer."""
    said, share = list[str](), 0.0
    for arm in grid.arms:
        answers = list(_answers(grid, arm))
        stuck = sum(is_stuck(one) for one in answers)
        if stuck:
            share = majority(answers[0])
            said.append(f"{arm.name} ({stuck} of {plural(len(answers), 'run')})")
    if said:
        yield (
            f"Not shown to be better than always answering the most frequent class ({percent(share)} %), or with one "
            f"answer to {100 * ALIKE:.0f} % of the examples and more: {listed(said)}. Such a run has learned little or "
            "nothing, and a difference to it says little of what sets the arms apart: train longer, or tune the "
            "learning rate of every arm."
        )


def _answers(grid: GridStudy, arm: Arm) -> Iterator[Answers]:
    """Of the runs that have predictions which can be read."""
    read = grid.answers or Read(grid.folder)
    for where in arm.column("where"):
        try:
            answers = read.of(where, grid.results.get(where))
        except UnreadableFileError:  # told where answers are paired
            continue
        if answers is not None:
            yield answers


def majority(answers: Answers) -> float:
    """Share of the most frequent class among the examples."""
    return float(np.bincount(answers.asked.labels).max() / len(answers.asked.labels))


def is_stuck(answers: Answers) -> bool:
    """Whether accuracy is within the 95 % interval of chance about the majority's share, or below it; or nearly all
    answers are one class, and not nearly all examples."""
    share, n = majority(answers), len(answers.given)
    above = float((answers.given == answers.asked.labels).mean()) - share
    one_answer = np.bincount(answers.given).max() >= ALIKE * n
    return above <= NORMAL_95 * sqrt(share * (1 - share) / n) or bool(one_answer and share < ALIKE)
