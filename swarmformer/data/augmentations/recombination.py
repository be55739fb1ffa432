"""New texts from several of one label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from pydantic import Field

from swarmformer.contracts.text_augmentation import Added, TextAugmentation
from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError
from swarmformer.registry import register

JOINING = ("Additionally, ", "Furthermore, ", "Moreover, ", "Similarly, ")
CONTRASTING = ("In contrast, ", "On the other hand, ")
LARGEST = 3
"""Texts that one is made of, at most; two at least."""


@register("text_augmentation", "recombination")
class Recombination(TextAugmentation):
    """Texts made of two or three of one label, joined by connectives (Legg & Sturmanis 2025).

    With texts that are cut at their front, little but the first of the two or three is left.

    Options:
        share: how many, as a share of the training texts; each is of a class drawn evenly.
        faults: as published, connectives that contrast are drawn too, though all the texts are of one label.
    """

    def __init__(self, *, share: Annotated[float, Field(gt=0, le=10)] = 0.25, faults: bool = False) -> None:
        self.share = share
        self.connectives = JOINING + CONTRASTING if faults else JOINING

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        labels = np.asarray(train.labels)
        rows_of = [rows for label in np.unique(labels) if len(rows := np.flatnonzero(labels == label)) >= LARGEST]
        if not rows_of:
            raise DataError(f"recombination needs a class with {LARGEST} training texts; leave it out of data.augment")
        for _ in range(int(self.share * len(train))):
            rows = rows_of[int(rng.integers(len(rows_of)))]
            chosen = tuple(rng.choice(rows, size=int(rng.integers(2, LARGEST + 1)), replace=False).tolist())
            first, *others = (train.texts[row] for row in chosen)
            joined = [self.connectives[int(rng.integers(len(self.connectives)))] + text for text in others]
            yield Added(" ".join([first, *joined]), chosen)
