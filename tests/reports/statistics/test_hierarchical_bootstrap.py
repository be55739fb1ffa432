"""The bootstrap against exact quantiles and a plain loop; its coverage, and how far it falls short with few seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reports.statistics.bootstrap import hierarchical_interval
from tests.reports.statistics.simulate import three_errors


def test_one_seed_and_one_sided_differences_give_binomial_quantiles() -> None:
    right = np.arange(200) < 60
    found = hierarchical_interval({0: right}, {0: np.zeros(200, bool)}, draws=200_000)
    low, high = stats.binom.ppf([0.025, 0.975], 200, 0.3) / 200
    assert (found.mean, found.low, found.high, found.n) == (0.3, pytest.approx(low), pytest.approx(high), 1)


def test_it_is_a_plain_loop_over_seeds_and_examples() -> None:
    rng = np.random.default_rng(0)
    a = {seed: rng.random(40) < rate for seed, rate in enumerate((0.5, 0.9, 0.7, 0.6))}
    b = {seed: rng.random(40) < 0.5 for seed in range(4)}
    difference = np.stack([a[s].astype(int) - b[s] for s in range(4)])
    means = [
        difference[np.ix_(rng.integers(0, 4, 4), rng.integers(0, 40, 40))].mean() for _ in range(40_000)
    ]  # fmt: skip
    found = hierarchical_interval(a, b, draws=40_000)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.008)
    assert found.mean == pytest.approx(difference.mean())


def test_draws_repeat_and_arms_exchange() -> None:
    rng = np.random.default_rng(1)
    a, b = ({seed: rng.random(100) < 0.6 for seed in range(3)} for _ in range(2))
    found, turned = hierarchical_interval(a, b), hierarchical_interval(b, a)
    assert found == hierarchical_interval(a, b)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=0.01)


def test_what_cannot_be_compared() -> None:
    assert hierarchical_interval({0: [True]}, {1: [True]}) is None
    with pytest.raises(ValueError, match="one test split"):
        hierarchical_interval({0: [True, False]}, {0: [True]})
    with pytest.raises(ValueError, match="one test split"):
        hierarchical_interval({0: []}, {0: []})


def test_three_seeds_without_noise_of_examples_give_the_least_and_the_greatest() -> None:
    right, wrong = np.ones(50, bool), np.zeros(50, bool)
    found = hierarchical_interval({0: right, 1: right, 2: wrong}, {0: wrong, 1: right, 2: right})
    # Each end is drawn with probability 1/27 > 2.5 %. The truth lies outside if all three fall on one side: 2/2³.
    assert (found.low, found.mean, found.high) == (-1.0, 0.0, 1.0)


def coverage(seeds: int, spread: float, draws: int = 500, examples: int = 1000) -> float:
    """Of a true difference of 0.05, where each seed's differs from it with standard deviation ``spread``."""
    rng, covered = np.random.default_rng(seeds), 0
    for _ in range(draws):
        of_seeds = 0.65 + rng.normal(0, spread, (seeds, 1))
        a, b = rng.random((seeds, examples)) < of_seeds, rng.random((seeds, examples)) < 0.60
        found = hierarchical_interval(dict(enumerate(a)), dict(enumerate(b)), draws=1000)
        covered += found.low <= 0.05 <= found.high
    return covered / draws


@pytest.mark.parametrize(("seeds", "stated"), [(3, 0.81), pytest.param(5, 0.89, marks=pytest.mark.slow)])
def test_few_seeds_fall_short_of_the_level_by_what_is_stated(seeds: int, stated: float) -> None:
    found = coverage(seeds, spread=0.08)
    assert found == pytest.approx(stated, abs=three_errors(stated, 500))
    assert found < 0.95 - three_errors(0.95, 500)


def test_it_covers_where_the_examples_make_the_spread() -> None:
    assert coverage(3, spread=0.0, draws=300) >= 0.95 - three_errors(0.95, 300)


@pytest.mark.slow
def test_thirty_seeds_come_near_the_level() -> None:
    assert 0.91 <= coverage(30, spread=0.08, draws=300) <= 0.95 + three_errors(0.95, 300)
