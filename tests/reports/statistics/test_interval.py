"""Intervals against scipy's own tests, textbook formulas and simulated coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.interval import mean_interval, paired_difference, wilson

ACCURACIES = st.lists(st.floats(0, 1), min_size=2, max_size=12).filter(lambda values: np.std(values) > 1e-6)


@given(ACCURACIES)
def test_the_interval_of_a_mean_is_that_of_scipys_t_test(values: list[float]) -> None:
    found = mean_interval(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found is not None and found.n == len(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_two_runs_use_the_t_value_of_the_tables() -> None:
    found = mean_interval([0.30, 0.40])
    assert found is not None and found.half == pytest.approx(12.7062 * 0.05, rel=1e-5)  # t(0.975, 1) = 12.7062


def test_one_run_has_no_interval_and_none_has_no_mean() -> None:
    one = mean_interval([0.5])
    assert one is not None and (one.mean, one.low, one.high, one.half) == (0.5, None, None, None)
    assert mean_interval([]) is None


def test_runs_that_agree_have_an_interval_of_no_width() -> None:
    found = mean_interval([0.5, 0.5, 0.5])
    assert found is not None and (found.low, found.high) == (0.5, 0.5)


def test_differences_are_paired_over_common_seeds_only() -> None:
    arm, base = {0: 0.50, 1: 0.62, 3: 0.99}, {0: 0.40, 1: 0.50, 2: 0.01}
    found = paired_difference(arm, base)
    expected = stats.ttest_rel([0.50, 0.62], [0.40, 0.50]).confidence_interval(0.95)
    assert found is not None and found.n == 2 and found.mean == pytest.approx(0.11)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert paired_difference({0: 0.5}, {1: 0.5}) is None


@pytest.mark.parametrize(("share", "n"), [(0.17, 2000), (0.0, 50), (1.0, 50), (0.8889, 25000)])
def test_wilson_is_the_textbook_formula(share: float, n: int) -> None:
    z, found = stats.norm.ppf(0.975), wilson(share, n)
    p = round(share * n) / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-12)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_the_truth_95_times_in_100(seeds: int) -> None:
    runs, truth = 4000, 0.37
    draws = np.random.default_rng(seeds).normal(truth, 0.01, size=(runs, seeds))
    intervals = [mean_interval(row.tolist()) for row in draws]
    covered = sum(i is not None and i.low <= truth <= i.high for i in intervals)
    # Four standard errors of a share of 0.95 over 4000 draws.
    assert covered / runs == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / runs))


def test_pairing_by_seed_removes_what_the_seed_does_to_both() -> None:
    rng = np.random.default_rng(0)
    runs, gain, covered = 2000, 0.02, 0
    for _ in range(runs):
        shared = rng.normal(0.4, 0.05, size=4)  # the seed moves both arms together, far more than the noise
        arm, base = shared + gain + rng.normal(0, 0.002, 4), shared + rng.normal(0, 0.002, 4)
        found = paired_difference(dict(enumerate(arm)), dict(enumerate(base)))
        assert found is not None and found.half is not None and found.half < 0.04
        covered += found.low <= gain <= found.high
    assert covered / runs == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / runs))
