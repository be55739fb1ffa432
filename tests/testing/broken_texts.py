"""Augmentations of texts with one fault each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from swarmformer.contracts import Added, TextAugmentation
from swarmformer.data.task import RawSplit


class MixesLabels(TextAugmentation):
    """Joins neighbours, whatever their labels."""

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        yield Added(train.texts[0] + train.texts[1], (0, 1))


class FromNowhere(TextAugmentation):
    """Adds a text that no training text was made into."""

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        yield Added("a text", ())


class OwnRandom(TextAugmentation):
    """Draws from Python's random state."""

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        yield Added(f"{train.texts[0]} {random.random()}", (0,))


class ChangesTexts(TextAugmentation):
    """Overwrites a training text."""

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        train.labels[0] = 1 - train.labels[0]
        yield Added(train.texts[0], (0,))


class ForgetsItself(TextAugmentation):
    """Has another identity at each look."""

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        yield Added(train.texts[0], (0,))

    def identity(self) -> dict[str, Any]:
        return {"id": random.random()}
