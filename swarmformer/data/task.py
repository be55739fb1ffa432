"""What a task is: raw examples with labels, and the predictors that any model must beat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Predictor = Callable[[Sequence[str]], np.ndarray]
"""Maps texts to predicted labels, int64, one per text."""


@dataclass(frozen=True)
class RawSplit:
    """Examples before tokenisation.

    ``ids`` name the examples for ever ("test/17"); ``groups``, where given, are kept
    whole when a validation split is cut (reviews of one film, for instance).
    """

    texts: Sequence[str]
    labels: np.ndarray
    ids: Sequence[str]
    groups: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray) -> RawSplit:
        """The examples at ``rows``, in that order."""
        return RawSplit(
            texts=[self.texts[row] for row in rows],
            labels=np.asarray(self.labels)[rows],
            ids=[self.ids[row] for row in rows],
            groups=None if self.groups is None else [self.groups[row] for row in rows],
        )


class Task(ABC):
    """A classification task. Options are the constructor's keyword-only parameters."""

    num_classes: int
    vocabulary: tuple[str, ...] | None = None
    """Own tokens, index = id, id 0 = padding; texts are these tokens joined by spaces.
    None: ordinary text, encoded by the run's tokenizer."""

    @abstractmethod
    def load(self) -> dict[str, RawSplit]:
        """Return at least ``train`` and ``test``; ``validation`` only where the source has one.

        Raises:
            DataError: where the data is missing or malformed; says how to provide it.
        """

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Everything that determines the examples (options, file hashes, hub revision), as JSON values.

        Called on every start, so it must be quick and must not import what only ``load`` needs.
        """

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """Predictors by name that at most count labels of ``train``; the caller adds the majority class."""
        return {}
