"""Where a task asks, if it asks at tokens rather than once per text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Questions:
    """Positions of tokens: text i is asked at ``positions[offsets[i]:offsets[i + 1]]``.

    positions: int64 [M], rising within a text, 0 is its first token. offsets: int64 [texts + 1].
    """

    positions: np.ndarray
    offsets: np.ndarray

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[int] | np.ndarray] | np.ndarray) -> Questions:
        """From the positions of every text, in the order of the texts."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        flat = [np.asarray(row, dtype=np.int64) for row in rows]
        return cls(np.concatenate(flat) if flat else np.zeros(0, dtype=np.int64), offsets)

    def __len__(self) -> int:
        """How many texts."""
        return len(self.offsets) - 1

    @property
    def text(self) -> np.ndarray:
        """The text of every question, int64 [M]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All questions of the texts at ``rows``, in that order: their indices, and places in ``rows``."""
        counts = np.diff(self.offsets)[rows]
        first = np.cumsum(counts) - counts
        index = np.arange(counts.sum()) + np.repeat(self.offsets[rows] - first, counts)
        return index, np.repeat(np.arange(len(rows)), counts)

    def take(self, rows: np.ndarray) -> Questions:
        """The questions of the texts at ``rows``, in that order."""
        index, _ = self.of(rows)
        counts = np.diff(self.offsets)[rows]
        return Questions(self.positions[index], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
