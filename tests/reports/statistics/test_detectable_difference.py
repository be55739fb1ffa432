"""Power against statsmodels' solver, the noncentral t, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from reports.statistics.power import detectable_difference
from tests.reports.statistics.simulate import three_errors


@pytest.mark.parametrize("n", [3, 5, 10, 30])
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_differences_are_those_of_statsmodels(n: int, power: float) -> None:
    paired = TTestPower().solve_power(nobs=n, alpha=0.05, power=power)
    assert detectable_difference(0.02, n, power=power) == pytest.approx(0.02 * paired, rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_the_noncentral_t_of_the_difference_has_the_power(n: int) -> None:
    distance = detectable_difference(0.5, n, level=0.99) / (0.5 / math.sqrt(n))
    assert stats.nct.sf(stats.t.isf(0.005, n - 1), n - 1, distance) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_difference_is_found_four_times_in_five(n: int) -> None:
    draws = 20_000
    values = np.random.default_rng(n).normal(detectable_difference(1.0, n), 1.0, (draws, n))
    found = (stats.ttest_1samp(values, 0.0, axis=1).pvalue < 0.05).mean()
    assert found == pytest.approx(0.8, abs=three_errors(0.8, draws))


def test_many_runs_come_to_the_normal_formula() -> None:
    normal = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / math.sqrt(10_000)
    assert detectable_difference(1.0, 10_000) == pytest.approx(normal, rel=1e-3)


def test_edges() -> None:
    assert detectable_difference(0.0, 3) == 0.0
    assert detectable_difference(1.0, 1) is None and detectable_difference(1.0, 0) is None
    with pytest.raises(ValueError, match="standard deviation"):
        detectable_difference(-1.0, 3)
    with pytest.raises(ValueError, match="power between"):
        detectable_difference(1.0, 3, power=1.5)
