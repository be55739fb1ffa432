"""Holm's correction over a family of tests, with tests that could not be made left out of it."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p values in the given order; None stays None and does not count as a member of the family.

    The chance of any false call at ``adjusted < 0.05`` is at most 5 %, whatever the dependence of the tests.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    made = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, place) in enumerate(made):
        adjusted[place] = least = max(least, min(1.0, (len(made) - rank) * p))
    return adjusted
