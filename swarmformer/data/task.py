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
        """Everything that determines the examples (options, file hashes, hub revision), as JSON values."""

    def trivial_predictors(self) -> dict[str, Predictor]:
        """Predictors that need no training, by name; the majority class is added by the caller."""
        return {}
