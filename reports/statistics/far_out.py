"""Arms far below all others, and effects of a design as the other arms have them.

An effect of a two-level design is a contrast of all its arms, so that one arm that collapsed moves each of them by the
same amount, whichever factors did it: in truth the interaction of three or more that no design of this kind shows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .factorial import Levels, Term, signs
from .interval import wilson

FENCE = 3.0
"""Interquartile ranges below the lower quartile: "far out" (J. W. Tukey, "Exploratory Data Analysis", 1977)."""


def far_out(means: Mapping[str, float], examples: int) -> tuple[str, ...]:
    """Arms whose mean share lies below the outer fence of the means of all, in their order.

    The fence is no nearer than what the test ``examples`` can tell from the lower quartile (its Wilson interval): on a
    task that most arms solve the quartiles agree, and one wrong answer would be far out.
    """
    if not means:
        return ()
    low, high = np.percentile(list(means.values()), (25, 75)).tolist()
    fence = min(low - FENCE * (high - low), wilson(low, examples).low or 0.0)
    return tuple(arm for arm, mean in means.items() if mean < fence)


@dataclass(frozen=True)
class OverOthers:
    """Effects by least squares over the arms of a design but some.

    terms: one for each effect that the whole design tells from the others; more are taken to be zero.
    """

    levels: Levels
    terms: Sequence[Term]
    left_out: Collection[str]

    @cached_property
    def others(self) -> Levels:
        return {arm: on for arm, on in self.levels.items() if arm not in self.left_out}

    @cached_property
    def _inverse(self) -> NDArray[np.float64] | None:
        """Of the columns of signs, the mean's first; None where the other arms cannot tell the effects apart."""
        columns = np.stack([signs(term, self.others) for term in ((), *self.terms)], axis=1).astype(float)
        return np.linalg.pinv(columns) if np.linalg.matrix_rank(columns) == columns.shape[1] else None

    def weights(self, term: Term) -> dict[str, float]:
        """Of the other arms, for the effect of a term or of one that the whole design cannot tell from it; none where
        they cannot tell it."""
        column = signs(term, self.levels)
        for row, known in enumerate(self.terms, 1):
            sign = column @ signs(known, self.levels) / len(column)
            if abs(sign) == 1 and self._inverse is not None:
                return dict(zip(self.others, (2 * sign * self._inverse[row]).tolist(), strict=True))
        return {}

    def simple_weights(self, factor: str, other: str, *, is_on: bool) -> dict[str, float]:
        """For the effect of a factor where another is on, or off: with its interaction, or without."""
        main, both = self.weights((factor,)), self.weights((factor, other))
        return {arm: main[arm] + (both[arm] if is_on else -both[arm]) for arm in main if both}
