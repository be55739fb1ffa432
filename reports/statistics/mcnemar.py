"""Exact McNemar tests from which examples two arms get right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def mcnemar(correct_a: Mapping[int, ArrayLike], correct_b: Mapping[int, ArrayLike]) -> float | None:
    """Two-sided p over the seeds that both arms have (seed → right or wrong per example); None where they share none.

    Each example counts once, for the arm that more of the seeds get it right with, and not at all where that is even.
    Adding up the counts of the seeds would take the same example, met again with each seed, for a new one, and call
    differences that are not there. Without an example on which they differ, p is 1.

    The test is conditional on the models that were trained: it says whether these models differ on examples like
    these, not whether the arms would differ with other seeds. That is why it is the secondary column.

    Raises ValueError where the lengths differ.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", 1947; exact as
    a binomial test of the discordant examples.
    """
    shared = sorted(correct_a.keys() & correct_b.keys())
    if not shared:
        return None
    pairs = [_pair(correct_a[seed], correct_b[seed]) for seed in shared]
    if len({len(pair) for pair in pairs}) > 1:
        raise ValueError("the seeds were tested on different numbers of examples; pool seeds of one test split")
    total = np.sum(pairs, axis=0)
    only_a, only_b = int((total > 0).sum()), int((total < 0).sum())
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def _pair(correct_a: ArrayLike, correct_b: ArrayLike) -> NDArray[np.int64]:
    """+1 where a alone is right, −1 where b alone is, else 0."""
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"two lists of the same examples are needed, got shapes {a.shape} and {b.shape}")
    return a.astype(np.int64) - b.astype(np.int64)
