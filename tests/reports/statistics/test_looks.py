"""p over looks: Pocock's boundaries, SciPy's tests of single stages, and false alarms of grids that grew."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from reports.statistics.contrast import difference
from reports.statistics.looks import allowing_for, crossing, p_over_looks, stages_of
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


def test_only_a_larger_p_is_taken_and_only_where_there_is_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        estimate = difference(values_of("ab", rng.normal((0.5, 0), 1.0, (6, 2))), "a", "b")
        p = p_over_looks(stages_of(estimate.by_seed, [{0, 1, 2}]))
        assert allowing_for(estimate, [{0, 1, 2}]).p == max(p, estimate.p)
    assert allowing_for(estimate, []) == estimate
    assert allowing_for(estimate, [{0}]) == estimate == allowing_for(estimate, [range(5)]), "one seed has no test"
    agreed = difference({"a": {0: 1.0, 1: 1.0, 2: 3.0, 3: 4.0}, "b": dict.fromkeys(range(4), 0.0)}, "a", "b")
    assert allowing_for(agreed, [{0, 1}]) == agreed, "nor have seeds that agree"


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
