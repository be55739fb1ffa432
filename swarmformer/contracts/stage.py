"""The contract of the ``stage`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

Metrics = dict[str, float | int]


class Judge(Protocol):
    """Measures the weights at the end of an epoch (their moving average, where there is one), in evaluation."""

    def metrics(self, split: str = "validation") -> Metrics:
        """Accuracy, precision, recall, F1, mean cross-entropy (``loss``) and number of answers (``n``)."""

    def loss(self, split: str = "validation") -> Metrics:
        """The stage's own objective, as ``loss``, and the number of answers ``n`` that it is the mean of."""


class Stage(ABC):
    """A part of a run: trains for its epochs, and hands the best of its weights to the next stage, or to the test.

    Every key of the section ``train`` can be given anew for a stage: its epochs, its objective, its optimiser.
    ``trains_on`` names the split that its batches come from, or splits joined by ``+``; ``unlabelled`` are the task's
    texts without labels. ``usual`` names the ingredients that it is meant to be trained with, where they are others
    than those of the section ``train``.
    """

    slot: ClassVar[str] = ""
    registered_name: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    test_options: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    trains_on: str = "train"
    usual: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def validate(self, judge: Judge) -> Metrics:
        """After each epoch: what is written to the curve; finite numbers by name."""

    @abstractmethod
    def score(self, metrics: Metrics) -> float:
        """How good weights with these metrics are, the more the better; the first of the best are kept."""
