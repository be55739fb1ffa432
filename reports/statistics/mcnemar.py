"""Exact McNemar tests from which examples two arms get right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


@dataclass(frozen=True)
class McNemar:
    """``only_a``: examples that a alone gets right, ``only_b``: those that b alone does; ``p`` is two-sided.

    The test is conditional on the models that were trained: it says whether these models differ on examples like
    these, not whether the arms would differ with other seeds. That is why it is the secondary column.
    """

    only_a: int
    only_b: int
    p: float


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """Of two models on the same examples (bool arrays of the same order and length).

    Raises ValueError where the lengths differ. Without an example on which they differ, p is 1.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", 1947; exact as
    a binomial test of the discordant examples.
    """
    return _sign_test(_pair(correct_a, correct_b))


def mcnemar_pooled(correct_a: Mapping[int, ArrayLike], correct_b: Mapping[int, ArrayLike]) -> McNemar | None:
    """One test over the seeds that both arms have, on one test split; None where they share none.

    Each example counts once, for the arm that more of the seeds get it right with, and not at all where that is even.
    Adding up the counts of the seeds would take the same example, met again with each seed, for a new one, and call
    differences that are not there. With one seed this is ``mcnemar``. Raises ValueError where the lengths differ.
    """
    shared = sorted(correct_a.keys() & correct_b.keys())
    if not shared:
        return None
    pairs = [_pair(correct_a[seed], correct_b[seed]) for seed in shared]
    if len({len(pair) for pair in pairs}) > 1:
        raise ValueError("the seeds were tested on different numbers of examples; pool seeds of one test split")
    return _sign_test(np.sum(pairs, axis=0))


def _pair(correct_a: ArrayLike, correct_b: ArrayLike) -> NDArray[np.int64]:
    """+1 where a alone is right, −1 where b alone is, else 0."""
    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"two lists of the same examples are needed, got shapes {a.shape} and {b.shape}")
    return a.astype(np.int64) - b.astype(np.int64)


def _sign_test(difference: NDArray[np.int64]) -> McNemar:
    only_a, only_b = int((difference > 0).sum()), int((difference < 0).sum())
    discordant = only_a + only_b
    return McNemar(only_a, only_b, float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0)
