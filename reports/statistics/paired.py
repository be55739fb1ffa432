"""Differences between an arm and its base, paired by seed: one-in, one-out, matched pairs, peers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from .interval import Interval, paired_difference
from .mcnemar import mcnemar_pooled
from .multiple import holm
from .values import by_seed, clean

Correct = Mapping[str, Mapping[int, ArrayLike]]
"""Arm → seed → which test examples it got right."""


@dataclass(frozen=True)
class Difference:
    """``arm − base``, in the unit of the values.

    interval: over the seeds that both have; None where they share none, without bounds where they share one.
    p: two-sided t test over seeds; None with fewer than two, or where the seeds do not differ at all.
    p_holm: of ``p``, over all differences that were asked for together.
    p_mcnemar: from the predictions, pooled over seeds (``mcnemar_pooled``); None where those were not given.
    """

    arm: str
    base: str
    interval: Interval | None
    p: float | None
    p_holm: float | None
    p_mcnemar: float | None


def paired_differences(
    cells: pd.DataFrame, base_of: Mapping[str, str], *, correct: Correct | None = None
) -> list[Difference]:
    """Differences of the arms of ``base_of`` (arm → base) from their bases, in its order.

    cells: columns ``arm``, ``seed``, ``value``; see ``values.clean`` for the errors. An arm without runs has a
    difference without an interval: it is missing, and does not count in the family of Holm's correction.
    """
    values = clean(cells)
    found = [_difference(values, arm, base, correct or {}) for arm, base in base_of.items()]
    adjusted = holm([difference.p for difference in found])
    return [replace(difference, p_holm=p) for difference, p in zip(found, adjusted, strict=True)]


def _difference(values: pd.DataFrame, arm: str, base: str, correct: Correct) -> Difference:
    ours, theirs = by_seed(values, arm), by_seed(values, base)
    p = p_of_mean([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])
    exact = mcnemar_pooled(correct.get(arm, {}), correct.get(base, {}))
    return Difference(arm, base, paired_difference(ours, theirs), p, None, exact.p if exact else None)


def p_of_mean(differences: list[float]) -> float | None:
    """Two-sided p of a t test of mean zero; None with fewer than two values, or where all are the same.

    Values that are all the same leave the test without a scale: two coarse accuracies that agree by chance are no
    proof of a difference.
    """
    if len(differences) < 2 or np.ptp(differences) <= 1e-12 * max(1.0, float(np.max(np.abs(differences)))):
        return None
    return float(stats.ttest_1samp(differences, 0.0).pvalue)
