"""What runs answered on the test split: which examples an arm got right, for tests on examples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarmformer.records import Result, UnreadableFileError, read_predictions

from .model import Arm

Correct = Mapping[str, Mapping[int, NDArray[np.bool_]]]
"""Arm → seed → right or wrong per example, in one order."""


@dataclass(frozen=True)
class Asked:
    """The examples of a test split, as the runs have them. ``digest``: of names and labels."""

    digest: str
    names: NDArray[np.str_]
    labels: NDArray[np.int64]

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Of the names."""
        return np.argsort(self.names, kind="stable")

    def are(self, other: Asked) -> bool:
        """Whether both are the same examples with the same labels, in any order."""
        return self.digest == other.digest or (
            np.array_equal(self.names[self.order], other.names[other.order])
            and np.array_equal(self.labels[self.order], other.labels[other.order])
        )


@dataclass(frozen=True)
class Answers:
    """What a run answered to each of them, [n]."""

    asked: Asked
    given: NDArray[np.int32]

    @property
    def right(self) -> NDArray[np.bool_]:
        """In the order of the names."""
        return (self.given == self.asked.labels)[self.asked.order]


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
            found = read_predictions(self.folder / Path(where).name, result)
            self.answers[where] = self._answers(found.names, found.labels, found.logits_NK) if found else None
        return self.answers[where]

    def _answers(self, names: np.ndarray, labels: np.ndarray, logits_NK: np.ndarray) -> Answers:
        content = "\n".join(names.tolist()).encode("utf-8", "surrogatepass") + labels.astype("<i8").tobytes()
        digest = hashlib.sha256(content).hexdigest()[:12]
        asked = self._asked.setdefault(digest, Asked(digest, names, labels))
        return Answers(asked, logits_NK.argmax(axis=1).astype(np.int32))


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
