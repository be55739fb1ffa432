"""Examples as token ids: a split, a task's splits, and what of them is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from swarmformer.data.augment import is_added
from swarmformer.data.questions import Questions

UNLABELLED = "unlabelled"


@dataclass(frozen=True, eq=False)
class Split:
    """Encoded examples; example i is ``ids[offsets[i]:offsets[i + 1]]``.

    ids: int32, all examples one after another. offsets: int64 [n + 1]. labels: int64 [M], M = n unless
    there are ``questions``, one label each. names: stable example ids [n], numpy unicode. truncated: how many
    were cut to seq_len. text_bytes: of the documents, in UTF-8, where every token of them is predicted.
    """

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    names: np.ndarray
    truncated: int
    questions: Questions | None = None
    text_bytes: int | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def answer_names(self) -> np.ndarray:
        """What each label is the answer of [M]: the example, or ``example@position``."""
        if self.questions is None:
            return self.names
        asked = zip(self.names[self.questions.text].tolist(), self.questions.positions.tolist(), strict=True)
        return np.array([f"{name}@{position}" for name, position in asked])

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of every example, int64 [n]."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> Split:
        """The examples at ``rows``, in that order; they must have one label each. ``truncated`` is not known: 0."""
        if self.questions is not None:
            raise ValueError("a split that asks at tokens cannot be cut")
        offsets = np.concatenate([[0], np.cumsum(self.lengths[rows])]).astype(np.int64)
        ids = np.concatenate([self.example(int(row)) for row in rows])
        return Split(ids, offsets, self.labels[rows], self.names[rows], 0)

    def joined(self, *others: Split) -> Split:
        """These examples and then those of the others; all must have one label each."""
        parts = (self, *others)
        if any(part.questions is not None for part in parts):
            raise ValueError("splits that ask at tokens cannot be joined")
        offsets = np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in parts]))]).astype(np.int64)
        ids, labels, names = (
            np.concatenate([getattr(part, column) for part in parts]) for column in ("ids", "labels", "names")
        )
        return Split(ids, offsets, labels, names, sum(part.truncated for part in parts))

    def example(self, row: int) -> np.ndarray:
        """Token ids of one example, int32."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """A task's texts without labels (each −1). copies: how many were left out, as they stand in a split of the task."""

    split: Split
    copies: int
    key: str


@dataclass(frozen=True, eq=False)
class OtherTest:
    """The test split of another task; key: of its texts and their tokens, whatever the task is called."""

    split: Split
    key: str


@dataclass(frozen=True, eq=False)
class TrainingTexts:
    """What is trained on, for what looks at all of it beforehand.

    special: ids that are no part of a text, rising: pads, what texts begin and end with, masks, and what an
    augmentation of tokens writes in the place of others. mask_id: what stands for a hidden token; the pad where there
    is nothing else.
    """

    split: Split
    special: tuple[int, ...]
    mask_id: int

    def beside(self, stand_ins: Iterable[int]) -> TrainingTexts:
        """The same, where ``stand_ins`` are no part of a text either."""
        return replace(self, special=tuple(sorted({*self.special, *stand_ins})))

    def without_added(self) -> TrainingTexts:
        """Those that no augmentation added; the same object where that is all of them."""
        own = np.array([not is_added(name) for name in self.split.names.tolist()], dtype=bool)
        return self if own.all() else replace(self, split=self.split.take(np.flatnonzero(own)))


@dataclass(frozen=True, eq=False)
class EncodedData:
    """A task ready for training: splits ``train``, ``validation`` and ``test``; see ``without_test``.

    key: hash of everything that made it. source_key: of what two runs must have in common to be compared: without what
    augmentations added to train, and without the seed of the split where every run has its own; else the same as key.
    facts: what was counted when it was encoded, as ``swarmformer.records.DataFacts``. special, mask_id: see
    ``TrainingTexts``. out_of_domain: of other tasks by name, which are no part of these keys.
    """

    splits: dict[str, Split]
    vocab_size: int
    num_classes: int
    pad_id: int
    key: str
    special: tuple[int, ...] = (0,)
    mask_id: int = 0
    unlabelled: Unlabelled | None = None
    source_key: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    out_of_domain: Mapping[str, OtherTest] = field(default_factory=dict)

    def named(self, names: str) -> Split:
        """A split, or several joined by ``+``; ``unlabelled`` are the texts without labels.

        Raises:
            KeyError: there is none of that name.
        """
        known = {**self.splits, **({UNLABELLED: self.unlabelled.split} if self.unlabelled else {})}
        first, *more = [known[name] for name in names.split("+")]
        return first.joined(*more) if more else first

    def texts(self, names: str) -> TrainingTexts:
        """As ``named``."""
        return TrainingTexts(self.named(names), self.special, self.mask_id)

    def without_test(self) -> EncodedData:
        """The same without any test split: what trains on it cannot read it."""
        kept = {name: split for name, split in self.splits.items() if name != "test"}
        return replace(self, splits=kept, out_of_domain={})
