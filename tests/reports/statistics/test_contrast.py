"""Contrasts against scipy's paired test, a Welch test worked out apart, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.contrast import contrast, difference
from reports.statistics.verdict import holm
from tests.reports.statistics.simulate import values_of

ARMS = tuple("abcdefgh")
HALVES = {arm: (1 if arm in "abcd" else -1) / 4 for arm in ARMS}


@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_a_difference_of_two_arms_is_scipys_paired_test(draw: int, seeds: int) -> None:
    table = np.random.default_rng(draw).normal(0.8, (0.01, 0.3), (seeds, 2))
    found = difference(values_of("ab", table), "a", "b")
    expected = stats.ttest_rel(table[:, 0], table[:, 1])
    bounds = expected.confidence_interval(0.95)
    assert found.interval is not None and found.interval.n == seeds
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))


def test_the_wider_of_seeds_and_arms_stands() -> None:
    wider = {"seeds": 0, "arms": 0}
    for draw in range(40):
        table = np.random.default_rng(draw).normal(0, np.geomspace(0.1, 8, 8), (3, 8))
        found = contrast(values_of(ARMS, table), HALVES)
        by_seed = table[:, :4].mean(axis=1) - table[:, 4:].mean(axis=1)
        of_seeds = stats.ttest_1samp(by_seed, 0.0)
        half_of_seeds = by_seed.mean() - of_seeds.confidence_interval(0.95).low
        # Welch–Satterthwaite by hand, of values without their seed's mean.
        variances = (table - table.mean(axis=1, keepdims=True)).var(axis=0, ddof=1) * 8 / 7 / 16 / 3
        error, df = np.sqrt(variances.sum()), 2 * variances.sum() ** 2 / (variances**2).sum()
        half_of_arms = stats.t.isf(0.025, df) * error
        p_of_arms = 2 * stats.t.sf(abs(by_seed.mean()) / error, df)
        wider["seeds" if half_of_seeds > half_of_arms else "arms"] += 1
        assert found.interval.half == pytest.approx(max(half_of_seeds, half_of_arms))
        assert found.p == pytest.approx(max(of_seeds.pvalue, p_of_arms))
    assert min(wider.values()) > 0


def test_what_a_seed_does_to_all_arms_does_not_count() -> None:
    table = np.random.default_rng(0).normal(0, 1, (4, 8))
    moved = table + np.array([[0.0], [100.0], [-30.0], [7.0]])
    before, after = (contrast(values_of(ARMS, each), HALVES) for each in (table, moved))
    assert after.p == pytest.approx(before.p) and after.interval.low == pytest.approx(before.interval.low)


def test_only_seeds_that_have_every_arm_count() -> None:
    values = {"a": {0: 0.5, 1: 0.7, 3: 0.9}, "b": {0: 0.4, 1: 0.5, 2: 0.1}, "c": {7: 1.0}}
    found = difference(values, "a", "b")
    assert found.by_seed == pytest.approx({0: 0.1, 1: 0.2}) and found.interval.n == 2
    alone = difference({"a": {0: 0.5}, "b": {0: 0.4}}, "a", "b")
    assert (alone.interval.n, alone.interval.low, alone.p) == (1, None, None)
    for other in ("c", "missing"):
        assert difference(values, "a", other).interval is None
    assert contrast(values, {}).interval is None


@pytest.mark.parametrize("shift", [0.0, 0.05])
def test_seeds_that_agree_exactly_give_neither_bounds_nor_p(shift: float) -> None:
    found = difference({"a": {0: 0.7 + shift, 1: 0.85 + shift}, "b": {0: 0.7, 1: 0.85}}, "a", "b")
    assert found.interval.mean == pytest.approx(shift)
    assert (found.interval.low, found.interval.high, found.p) == (None, None, None)


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert holm([None, None]) == [None, None] and holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.5))
def test_holm_rejects_as_the_steps_do(p_values: list[float], alpha: float) -> None:
    """The smallest against alpha / m, the next against alpha / (m − 1) …, until one is kept."""
    rejected = set[int]()
    for step, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] * (len(p_values) - step) > alpha:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(p_values)) if p <= alpha} == rejected
