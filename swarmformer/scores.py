"""What answers are worth: counted as they come, so that any number of them fits in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import log_softmax
from scipy.stats import binomtest

BINS = 15
"""Of equal width over confidence 0 to 1, as in Guo et al. (ICML 2017)."""


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """95 % score interval of the share of ``n`` independent answers that are right, 0…1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    bounds = binomtest(right, n).proportion_ci(0.95, method="wilson")
    return float(bounds.low), float(bounds.high)


@dataclass(frozen=True)
class ClassScores:
    """Of one class: rates in 0…1, and how many examples are of it. A rate without a denominator counts as 0."""

    name: str
    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True)
class Bin:
    """Answers of a confidence in [low, high): how many, how often right, how confident on average."""

    low: float
    high: float
    n: int
    accuracy: float
    confidence: float


@dataclass(frozen=True)
class Scores:
    """Of all answers.

    ``interval``: 95 % of the accuracy (Wilson). ``precision``, ``recall``, ``f1``: macro means over classes. ``loss``:
    mean cross-entropy in nats. ``ece``: expected calibration error, Σ n_b/n · |accuracy_b − confidence_b|.
    ``confusion_KK``: rows are what is right, columns what was answered.
    """

    n: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    precision: float
    recall: float
    f1: float
    ece: float
    classes: tuple[ClassScores, ...]
    bins: tuple[Bin, ...]
    confusion_KK: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = {"classes": [vars(one) for one in self.classes], "bins": [vars(one) for one in self.bins]}
        return {**vars(self), **parts, "confusion_KK": [list(row) for row in self.confusion_KK]}


@dataclass
class Tally:
    """Counts answers; ``classes`` are the names, index = class."""

    classes: Sequence[str]
    loss: float = 0.0
    bins_3B: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS)))
    """Of each bin how many, how many right, and their confidences added up."""

    def __post_init__(self) -> None:
        self.confusion_KK = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)

    def add(self, labels_N: np.ndarray, logits_NK: np.ndarray) -> np.ndarray:
        """Count some answers; returns log-probabilities [N, K]."""
        logs_NK = log_softmax(logits_NK.astype(np.float64), axis=1)
        answers_N, rows_N = logits_NK.argmax(axis=1), np.arange(len(labels_N))
        np.add.at(self.confusion_KK, (labels_N, answers_N), 1)
        self.loss -= float(logs_NK[rows_N, labels_N].sum())
        confidence_N = np.exp(logs_NK[rows_N, answers_N])
        bin_N = np.minimum((confidence_N * BINS).astype(np.int64), BINS - 1)
        for row, weight_N in enumerate((np.ones(len(rows_N)), answers_N == labels_N, confidence_N)):
            np.add.at(self.bins_3B[row], bin_N, weight_N)
        return logs_NK

    def scores(self) -> Scores:
        """All that was counted; at least one answer must have been."""
        from sklearn.metrics import precision_recall_fscore_support

        truth, guess = np.nonzero(self.confusion_KK)
        rates = precision_recall_fscore_support(
            truth, guess, sample_weight=self.confusion_KK[truth, guess], labels=range(len(self.classes)),
            zero_division=0,
        )  # fmt: skip
        n, right = int(self.confusion_KK.sum()), int(self.confusion_KK.trace())
        columns = [column.tolist() for column in rates[:3]]
        precision, recall, f1 = (float(np.mean(column)) for column in columns)
        return Scores(
            n=n, accuracy=right / n, interval=wilson_interval(right, n), loss=self.loss / n,
            precision=precision, recall=recall, f1=f1, ece=float(self._ece(n)),
            classes=tuple(ClassScores(*one) for one in zip(self.classes, *columns, map(int, rates[3]), strict=True)),
            bins=tuple(self._bins()), confusion_KK=tuple(tuple(row) for row in self.confusion_KK.tolist()),
        )  # fmt: skip

    def _ece(self, n: int) -> float:
        return np.abs(self.bins_3B[1] - self.bins_3B[2]).sum() / n

    def _bins(self) -> list[Bin]:
        """Those that have an answer."""
        return [
            Bin(place / BINS, (place + 1) / BINS, int(n), right / n, confidence / n)
            for place, (n, right, confidence) in enumerate(self.bins_3B.T.tolist()) if n
        ]  # fmt: skip
