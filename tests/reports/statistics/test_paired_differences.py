"""Differences over seeds against scipy's paired t test and Holm by hand; their error rates by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics.mcnemar import mcnemar_pooled
from reports.statistics.multiple import holm
from reports.statistics.paired import paired_differences
from tests.reports.statistics.simulate import three_errors, three_errors_of

ARMS = tuple("abcdefgh")
BASE_OF = dict.fromkeys(ARMS, "base")


def cells_of(values: np.ndarray, arms: tuple[str, ...]) -> pd.DataFrame:
    """Values by arm and seed."""
    seeds = values.shape[1]
    return pd.DataFrame({
        "arm": np.repeat(arms, seeds), "seed": np.tile(np.arange(seeds), len(arms)), "value": values.ravel()
    })  # fmt: skip


def test_a_difference_is_scipys_paired_test() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.01, (9, 5))
    cells = cells_of(values, ("base", *ARMS))
    for row, found in enumerate(paired_differences(cells, BASE_OF), start=1):
        expected = stats.ttest_rel(values[row], values[0])
        bounds = expected.confidence_interval(0.95)
        assert (found.arm, found.base, found.interval.n) == (ARMS[row - 1], "base", 5)
        assert found.p == pytest.approx(expected.pvalue)
        assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))


def test_each_arm_has_its_own_base_and_holm_runs_over_all() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.01, (4, 3)) + np.array([[0], [0.02], [0], [0.05]])
    found = paired_differences(cells_of(values, ("a", "b", "c", "d")), {"b": "a", "d": "c"})
    assert [d.interval.mean for d in found] == pytest.approx(
        [(values[1] - values[0]).mean(), (values[3] - values[2]).mean()]
    )
    small, large = sorted(d.p for d in found)
    assert sorted(d.p_holm for d in found) == pytest.approx([min(1, 2 * small), max(min(1, 2 * small), large)])


def test_missing_runs_are_missing() -> None:
    cells = cells_of(
        np.array([[0.5, 0.6, 0.7], [0.6, np.nan, 0.9], [np.nan] * 3, [0.4, np.nan, np.nan]]), ("base", "a", "b", "c")
    )
    a, b, c, d = paired_differences(cells, {"a": "base", "b": "base", "c": "base", "d": "base"})
    assert a.interval.n == 2 and a.interval.mean == pytest.approx(0.15) and a.p_holm == a.p is not None
    assert (b.interval, b.p, b.p_holm) == (d.interval, d.p, d.p_holm) == (None, None, None)
    assert (c.interval.n, c.interval.low, c.p) == (1, None, None)


def test_seeds_that_do_not_differ_give_no_p() -> None:
    cells = cells_of(np.array([[0.5, 0.6, 0.7], [0.51, 0.61, 0.71]]), ("base", "a"))
    (found,) = paired_differences(cells, {"a": "base"})
    assert found.interval.mean == pytest.approx(0.01) and found.p is None


def test_mcnemar_comes_from_the_predictions_where_there_are_some() -> None:
    rng = np.random.default_rng(2)
    cells = cells_of(rng.normal(0.8, 0.01, (3, 2)), ("base", "a", "b"))
    correct = {arm: {seed: rng.random(300) < 0.7 for seed in (0, 1)} for arm in ("base", "a")}
    a, b = paired_differences(cells, {"a": "base", "b": "base"}, correct=correct)
    assert a.p_mcnemar == mcnemar_pooled(correct["a"], correct["base"]).p
    assert b.p_mcnemar is None


def test_rates_with_seeds_that_move_all_arms() -> None:
    rng, draws = np.random.default_rng(3), 250
    gain, called, any_called, covered = 0.02, [], [], []
    for _ in range(draws):
        # Base is shared by all differences, so they depend on each other; the last arm has an effect.
        values = rng.normal(0, 0.005, (9, 3)) + rng.normal(0, 0.1, (1, 3))
        values[8] += gain
        found = paired_differences(cells_of(values, ("base", *ARMS)), BASE_OF)
        called.append(np.mean([d.p < 0.05 for d in found[:7]]))
        any_called.append(any(d.p_holm < 0.05 for d in found[:7]))
        truths = [0.0] * 7 + [gain]
        covered.append(np.mean([d.interval.low <= t <= d.interval.high for d, t in zip(found, truths, strict=True)]))
    assert np.mean(called) == pytest.approx(0.05, abs=three_errors_of(called))
    assert np.mean(covered) == pytest.approx(0.95, abs=three_errors_of(covered))
    assert np.mean(any_called) <= 0.05 + three_errors(0.05, draws)


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert holm([None, None]) == [None, None] and holm([]) == []
