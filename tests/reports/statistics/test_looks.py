"""p and intervals over looks: Pocock's boundaries, SciPy's tests of stages, and false alarms of grids that grew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reports.statistics.contrast import difference
from reports.statistics.looks import allowing_for, bounds_over_looks, crossing, p_over_looks, stages_of
from tests.reports.statistics.simulate import three_errors, values_of

POCOCK = {1: 1.960, 2: 2.178, 3: 2.289, 4: 2.361, 5: 2.413, 10: 2.555}
"""Constant boundaries of 5 %, two-sided (Pocock 1977; Jennison and Turnbull 1999, table 2.1)."""


@pytest.mark.parametrize("looks", POCOCK)
def test_pococks_boundaries_are_reached_once_in_twenty(looks: int) -> None:
    assert crossing(POCOCK[looks], looks) == pytest.approx(0.05, abs=1.5e-4)


@pytest.mark.parametrize("bound", [0.0, 0.5, 2.0, 5.0])
def test_two_looks_are_two_correlated_normals(bound: float) -> None:
    half = np.sqrt(0.5)
    both = stats.multivariate_normal([0, 0], [[1, half], [half, 1]])
    inside = both.cdf([bound, bound], lower_limit=[-bound, -bound])
    assert crossing(bound, 2) == pytest.approx(1 - inside, abs=1e-7)


def test_scores_are_those_of_t_tests() -> None:
    stages = [[0.3, 0.5, 0.1], [-0.2, 0.6, 0.4, 0.3]]
    tests = [stats.ttest_1samp(stage, 0.0) for stage in stages]
    scores = [np.sign(test.statistic) * stats.norm.isf(test.pvalue / 2) for test in tests]
    assert p_over_looks(stages) == pytest.approx(crossing(abs(sum(scores)) / np.sqrt(2), 2), rel=1e-9)
    assert p_over_looks([[-x for x in stage] for stage in stages]) == p_over_looks(stages)


def test_stages_lie_between_looks() -> None:
    values = {seed: float(seed) for seed in range(6)}
    assert stages_of(values, []) == [[0, 1, 2, 3, 4, 5]]
    assert stages_of(values, [{0, 1, 2}]) == [[0, 1, 2], [3, 4, 5]]
    assert stages_of(values, [{0, 1}, {0, 1, 4}]) == [[0, 1], [4], [2, 3, 5]]
    assert stages_of({3: 1.0, 4: 2.0}, [{0, 1}]) == [[1.0, 2.0]], "seeds that the contrast does not have are no stage"


def test_bounds_are_where_p_is_one_in_twenty() -> None:
    rng = np.random.default_rng(1)
    for sizes in [(3, 3), (4, 2), (3, 2, 2), (5,)]:
        stages = [list(rng.normal(0.5, spread, n)) for n, spread in zip(sizes, (1.0, 0.01, 30.0), strict=False)]
        for bound in bounds_over_looks(stages):
            assert p_over_looks([[x - bound for x in stage] for stage in stages]) == pytest.approx(0.05, rel=1e-6)
    [alone] = [list(rng.normal(size=5))]
    assert bounds_over_looks([alone]) == pytest.approx(stats.t.interval(0.95, 4, np.mean(alone), stats.sem(alone)))
    assert p_over_looks([alone]) == pytest.approx(stats.ttest_1samp(alone, 0.0).pvalue)


def test_only_a_larger_p_and_a_wider_interval_are_taken() -> None:
    rng, wider = np.random.default_rng(0), 0
    for _ in range(50):
        plain = difference(values_of("ab", rng.normal((0.5, 0), 1.0, (6, 2))), "a", "b")
        allowed = allowing_for(plain, [{0, 1, 2}])
        assert allowed.p >= plain.p and allowed.p >= 0.99 * p_over_looks(stages_of(plain.by_seed, [{0, 1, 2}]))
        assert allowed.interval.low <= plain.interval.low and allowed.interval.high >= plain.interval.high
        assert (allowed.p < 0.05) == (allowed.interval.low > 0 or allowed.interval.high < 0)
        wider += allowed.interval != plain.interval
    assert wider
    assert allowing_for(plain, []) == plain == allowing_for(plain, [range(6)])


def test_a_stage_without_a_test_adds_nothing() -> None:
    """A single seed has none, nor have seeds that agree; where no stage has one, nothing is excluded."""
    by_seed = dict(enumerate((1.0, 1.1, 1.2, 0.9, 1.05)))
    plain = difference({"a": by_seed, "b": dict.fromkeys(range(5), 0.0)}, "a", "b")
    rest = [by_seed[seed] for seed in range(1, 5)]
    assert allowing_for(plain, [{0}]).p == pytest.approx(max(plain.p, stats.ttest_1samp(rest, 0.0).pvalue))
    one_by_one = allowing_for(plain, [set(range(n)) for n in range(1, 5)])
    assert one_by_one.p == 1.0 and (one_by_one.interval.low, one_by_one.interval.high) == (-np.inf, np.inf)
    agreed = difference({"a": {0: 1.0, 1: 1.0, 2: 3.0, 3: 4.0}, "b": dict.fromkeys(range(4), 0.0)}, "a", "b")
    of_two = stats.ttest_1samp([3.0, 4.0], 0.0).pvalue
    assert allowing_for(agreed, [{0, 1}]).p == pytest.approx(max(agreed.p, of_two))


@pytest.mark.parametrize("sizes", [(4, 2), (3, 3), (3, 2, 3)])
def test_a_difference_of_the_margin_is_called_equivalent_once_in_forty_at_most(sizes: tuple[int, ...]) -> None:
    """By the interval that allows for looks; by plain ones, asked at each look, it is called more often."""
    rng, draws, ends = np.random.default_rng(sizes), 1500, np.cumsum(sizes)
    called, plain = 0, 0
    for _ in range(draws):
        seeds = rng.normal(1.0, 0.1, ends[-1])
        parts = np.split(seeds, ends[:-1])
        called += bounds_over_looks(parts)[1] < 1.0
        plain += any(stats.ttest_1samp(seeds[:end], 1.0, alternative="less").pvalue < 0.025 for end in ends)
    assert called / draws <= 0.025 + three_errors(0.025, draws)
    assert plain / draws > 0.035


@pytest.mark.parametrize("sizes", [(1, 4), (3, 1, 1, 1), (2, 1, 3)])
def test_false_alarms_with_stages_of_one_seed_are_one_in_twenty_at_most(sizes: tuple[int, ...]) -> None:
    rng, draws, ends = np.random.default_rng(sizes), 1500, np.cumsum(sizes)
    looks = [set(range(end)) for end in ends[:-1]]
    called = 0
    for _ in range(draws):
        values = {"a": dict(enumerate(rng.normal(size=ends[-1]))), "b": dict.fromkeys(range(ends[-1]), 0.0)}
        called += allowing_for(difference(values, "a", "b"), looks).p < 0.05
    assert called / draws <= 0.05 + three_errors(0.05, draws)


@pytest.mark.parametrize("stages", [(3, 3), (5, 3), (3, 2, 2)])
def test_false_alarms_at_any_look_are_one_in_twenty(stages: tuple[int, ...]) -> None:
    """Called at each look by the p over as many looks as there may be; a plain t test there calls far more often."""
    rng, draws, ends = np.random.default_rng(stages), 4000, np.cumsum(stages)
    called, plain = 0, 0
    for _ in range(draws):
        parts = np.split(rng.normal(size=ends[-1]), ends[:-1])
        scores = np.cumsum([np.sign(t) * stats.norm.isf(p / 2) for t, p in map(ttest, parts)])
        largest = np.abs(scores / np.sqrt(np.arange(1, len(stages) + 1))).max()
        called += crossing(largest, len(stages)) < 0.05
        plain += any(ttest(np.concatenate(parts[: look + 1]))[1] < 0.05 for look in range(len(stages)))
    assert called / draws == pytest.approx(0.05, abs=three_errors(0.05, draws))
    assert plain / draws > 0.07


def ttest(values: np.ndarray) -> tuple[float, float]:
    found = stats.ttest_1samp(values, 0.0)
    return found.statistic, found.pvalue
