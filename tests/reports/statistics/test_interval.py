"""Intervals against scipy's own tests, textbook formulas and simulated coverage."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from reports.statistics.interval import (
    Interval,
    accuracy_interval,
    at_level,
    independent_difference,
    mean_interval,
    over_examples,
    wilson,
    within,
)
from tests.reports.statistics.simulate import three_errors

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
ACCURACIES = st.lists(st.floats(0, 1), min_size=2, max_size=12).filter(lambda values: np.std(values) > 1e-6)


@given(ACCURACIES)
def test_the_interval_of_a_mean_is_that_of_scipys_t_test(values: list[float]) -> None:
    found = mean_interval(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found is not None and found.n == len(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_one_run_has_no_interval_and_none_has_no_mean() -> None:
    one = mean_interval([0.5])
    assert one is not None and (one.mean, one.low, one.high, one.half) == (0.5, None, None, None)
    assert mean_interval([]) is None


def test_runs_that_agree_have_no_interval() -> None:
    """No spread observed is no certainty: two coarse accuracies may agree by chance."""
    for shares in ([0.5, 0.5, 0.5], [1.0, 1.0], [0.1 + 0.2, 0.3]):
        for found in (mean_interval(shares), accuracy_interval(shares)):
            assert found is not None and (found.low, found.high, found.n) == (None, None, len(shares))


@given(ACCURACIES)
def test_an_interval_of_accuracies_lies_inside_0_to_1_around_the_mean(shares: list[float]) -> None:
    found = accuracy_interval(shares)
    assert found is not None and found.mean == pytest.approx(np.mean(shares))
    assert 0 <= found.low <= found.mean <= found.high <= 1


def test_an_interval_of_accuracies_is_the_delta_method_on_log_odds() -> None:
    found = accuracy_interval([0.981, 0.986, 0.996])
    mean, error = 0.9876666666666667, stats.sem([0.981, 0.986, 0.996])
    log_odds, half = math.log(mean / (1 - mean)), stats.t.isf(0.025, 2) * error / (mean * (1 - mean))
    expected = [1 / (1 + math.exp(-value)) for value in (log_odds - half, log_odds + half)]
    assert found is not None and (found.low, found.high) == pytest.approx(expected)
    # The t interval of the same would end above 100 %.
    assert mean_interval([0.981, 0.986, 0.996]).high > 1


def test_an_interval_for_other_examples_covers_a_difference_of_two_predictors() -> None:
    """An arm over seeds, tested on the examples that a baseline was tested on: each draw has other examples too."""
    rng, truths, covered = np.random.default_rng(4), (0.86, 0.80), []
    for _ in range(1000):
        examples, noise = rng.random((500, 2)), rng.normal(0, 0.02, 4)
        arm = accuracy_interval([float(np.mean(examples[:, 0] < truths[0] + shift)) for shift in noise])
        assert arm is not None
        if arm.half is None:  # four seeds that agree exactly
            continue
        found = independent_difference(over_examples(arm, 500), wilson(float(np.mean(examples[:, 1] < truths[1])), 500))
        covered.append(found.low <= truths[0] - truths[1] <= found.high)
    assert np.mean(covered) >= 0.95 - three_errors(0.95, 1000)


def near_half(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return rng.normal(0.5, 0.015, shape)


def near_one(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Skewed, as accuracies near their end are: mean 0.99, standard deviation 0.005."""
    total = 0.99 * 0.01 / 0.005**2 - 1
    return rng.beta(0.99 * total, 0.01 * total, shape)


def two_humps(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.where(rng.random(shape) < 0.5, rng.normal(0.65, 0.01, shape), rng.normal(0.99, 0.003, shape))


@pytest.mark.parametrize(
    ("draw", "truth", "seeds", "promised"),
    [
        *[(near_half, 0.5, seeds, 0.95) for seeds in (2, 3, 5)],
        *[(near_one, 0.99, seeds, 0.945) for seeds in (2, 3, 5)],  # 0.95, 0.949, 0.946; a t interval: 0.933
        (two_humps, 0.82, 3, 0.75),  # no interval knows of a hump that no seed met: 1 − 2 · (1/2)³
        (two_humps, 0.82, 5, 0.9375),  # 1 − 2 · (1/2)⁵
        (two_humps, 0.82, 10, 0.94),
    ],
)
def test_intervals_of_accuracies_cover_as_promised(draw: Draw, truth: float, seeds: int, promised: float) -> None:
    draws = 3000
    rows = np.clip(draw(np.random.default_rng(seeds), (draws, seeds)), 0, 1)
    intervals = [accuracy_interval(row.tolist()) for row in rows]
    covered = np.mean([found.low <= truth <= found.high for found in intervals])
    assert covered >= promised - 3 * math.sqrt(promised * (1 - promised) / draws)


@pytest.mark.parametrize(("share", "n"), [(0.17, 2000), (0.0, 50), (1.0, 50), (0.8889, 25000)])
def test_wilson_is_the_textbook_formula(share: float, n: int) -> None:
    z, found = stats.norm.ppf(0.975), wilson(share, n)
    p = round(share * n) / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-12)


def test_only_what_is_possible_is_left_of_an_interval() -> None:
    assert within(Interval(0.5, -3.0, 1.2, 3), -1, 1) == Interval(0.5, -1, 1, 3)
    assert within(Interval(0.5, None, None, 1), -1, 1) == Interval(0.5, None, None, 1)
    assert within(None, -1, 1) is None


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_another_level_is_the_t_interval_of_the_log_odds(level: float) -> None:
    shares = [0.91, 0.93, 0.90, 0.94]
    mean = float(np.mean(shares))
    error = stats.sem(shares) / (mean * (1 - mean))
    low, high = special.expit(special.logit(mean) + np.array(stats.t.interval(level, 3, 0.0, error)))
    found = at_level(accuracy_interval(shares), level)
    assert (found.low, found.high) == pytest.approx((low, high)) and found.mean == mean
