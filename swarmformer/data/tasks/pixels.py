"""What tasks of pictures share: in which order pixels are read, and what a linear classifier makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from swarmformer.data.task import RawSplit
from swarmformer.errors import SpecError


def check_patch(task: str, patch: int, side: int) -> None:
    """Raise SpecError unless squares of ``patch`` pixels fill a picture of ``side``; 0 is no patches."""
    if patch < 0 or (patch and side % patch):
        raise SpecError(f"task {task}: patch must be 0 (rows of pixels) or divide the side, {side}; got {patch}")


def in_reading_order(pixels: np.ndarray, patch: int) -> np.ndarray:
    """Square pictures [n, side, side] as sequences [n, side²]: row by row, or patch by patch, each row by row."""
    n, side = pixels.shape[:2]
    p = patch or side
    return pixels.reshape(n, side // p, p, side // p, p).swapaxes(2, 3).reshape(n, side * side)


def in_rows(read: np.ndarray, side: int, patch: int) -> np.ndarray:
    """The inverse of ``in_reading_order``: [n, side²] → [n, side, side]."""
    p = patch or side
    return read.reshape(len(read), side // p, side // p, p, p).swapaxes(2, 3).reshape(len(read), side, side)


@dataclass(frozen=True)
class Linear:
    """Multinomial logistic regression with scikit-learn's default penalty on ``features`` scaled to unit variance."""

    features: Callable[[RawSplit], np.ndarray]
    train: RawSplit
    steps: int = 2000

    def __call__(self, split: RawSplit) -> np.ndarray:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=self.steps))
        model.fit(self.features(self.train), self.train.labels)
        return model.predict(self.features(split)).astype(np.int64)
