"""Expected validation performance: the best of k trials, for k = 1 … n (Dodge et al., EMNLP 2019, equation 4)."""

from __future__ import annotations

from collections.abc import Sequence


def expected_maximum(scores: Sequence[float]) -> list[float]:
    """Mean of the maximum of k draws with replacement from these scores, for k from 1 to their number n.

    Closed form over the empirical distribution: with v₁ ≤ … ≤ vₙ, P(max ≤ vᵢ) = (i/n)ᵏ, so that the mean is
    Σ vᵢ ((i/n)ᵏ − ((i−1)/n)ᵏ). As draws may repeat, it stays below the best score at k = n.
    """
    ordered, n = sorted(scores), len(scores)
    return [
        sum(value * ((place / n) ** k - ((place - 1) / n) ** k) for place, value in enumerate(ordered, 1))
        for k in range(1, n + 1)
    ]
