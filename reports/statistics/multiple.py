"""Holm's correction over a family of tests, with tests that could not be made left out of it."""

from __future__ import annotations

from collections.abc import Sequence

from statsmodels.stats.multitest import multipletests


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p values in the given order; None stays None and does not count as a member of the family.

    The chance of any false call at ``adjusted < 0.05`` is at most 5 %, whatever the dependence of the tests.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    made = [p for p in p_values if p is not None]
    if not made:
        return [None] * len(p_values)
    adjusted = iter(multipletests(made, method="holm")[1])
    return [None if p is None else float(next(adjusted)) for p in p_values]
