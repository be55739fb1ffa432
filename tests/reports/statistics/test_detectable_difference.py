"""Power against statsmodels' solver and the noncentral t; against simulation: ``test_rates``."""

from __future__ import annotations

import math

import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from reports.statistics.power import detectable_difference


@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_differences_are_those_of_statsmodels(n: int) -> None:
    paired = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert detectable_difference(0.02, n) == pytest.approx(0.02 * paired, rel=1e-5)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_the_noncentral_t_of_the_difference_has_the_power(n: int) -> None:
    distance = detectable_difference(0.5, n) / (0.5 / math.sqrt(n))
    assert stats.nct.sf(stats.t.isf(0.025, n - 1), n - 1, distance) == pytest.approx(0.8, abs=1e-3)


def test_many_runs_come_to_the_normal_formula() -> None:
    normal = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) / math.sqrt(10_000)
    assert detectable_difference(1.0, 10_000) == pytest.approx(normal, rel=1e-3)
    assert detectable_difference(0.0, 3) == 0.0
