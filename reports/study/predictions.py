"""What runs answered on the test split: which examples an arm got right, for tests on examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarmformer.records import Answers, Asked, Result, UnreadableFileError, read_answers

from .subjects import Arm

Correct = Mapping[str, Mapping[int, NDArray[np.bool_]]]
"""Arm → seed → right or wrong per example, in one order."""


@dataclass
class Read:
    """What was read of one grid's predictions, each file once; examples that many runs were asked are kept once.

    answers: by ``where``; None where a run keeps none.
    """

    folder: Path
    answers: dict[str, Answers | None] = field(default_factory=dict)
    _asked: dict[str, Asked] = field(default_factory=dict)

    def of(self, where: str, result: Result | None) -> Answers | None:
        """Of one run; they must be those that its result was made of.

        Raises:
            UnreadableFileError: damaged, or of another result.
        """
        if where not in self.answers:
            found = read_answers(self.folder / Path(where).name, result)
            if found is not None:
                found = replace(found, asked=self._asked.setdefault(found.asked.digest, found.asked))
            self.answers[where] = found
        return self.answers[where]


def correct_of(read: Read, arms: Sequence[Arm], results: Mapping[str, Result | None]) -> tuple[Correct, list[str]]:
    """Of the arms all of whose runs have predictions, of one set of examples; and a warning where those cannot be
    used.

    Args:
        results: by ``where``.
    """
    correct = dict[str, Mapping[int, NDArray[np.bool_]]]()
    warnings = list[str]()
    first: Asked | None = None
    for arm in arms:
        try:
            answers = _answers(read, arm, results)
        except UnreadableFileError as error:
            warnings.append(f"Predictions left out: {read.folder.name}/{error.path.parent.name}: {error.reason}.")
            continue
        first = first or next((each.asked for each in answers.values()), None)
        if first and not all(first.are(each.asked) for each in answers.values()):
            warnings.append(f"Predictions of {arm.name} left out: they are of other examples than the first arm's.")
        elif answers:
            correct[arm.name] = {seed: each.right for seed, each in answers.items()}
    return correct, warnings


def _answers(read: Read, arm: Arm, results: Mapping[str, Result | None]) -> dict[int, Answers]:
    """Empty where a run has no predictions."""
    pairs = zip(arm.column("seed"), arm.column("where"), strict=True)
    found = {int(seed): read.of(where, results.get(where)) for seed, where in pairs}
    present = {seed: answers for seed, answers in found.items() if answers is not None}
    return present if len(present) == len(found) else {}
