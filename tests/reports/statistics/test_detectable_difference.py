"""Power against statsmodels' solver and the noncentral t; against simulation: ``test_rates``."""

from __future__ import annotations

import math

import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from reports.statistics.contrast import Estimate, difference
from reports.statistics.power import detectable_difference, detectable_range, needed_seeds


@pytest.mark.parametrize(("n", "comparisons"), [(3, 1), (5, 1), (10, 8), (30, 28)])
def test_differences_are_those_of_statsmodels(n: int, comparisons: int) -> None:
    paired = TTestPower().solve_power(nobs=n, alpha=0.05 / comparisons, power=0.8)
    assert detectable_difference(0.02 / math.sqrt(n), n, comparisons) == pytest.approx(0.02 * paired, rel=1e-5)


@pytest.mark.parametrize(("n", "comparisons"), [(2, 1), (3, 1), (8, 1), (3, 8), (2, 70), (2, 90)])
def test_the_noncentral_t_of_the_difference_has_the_power(n: int, comparisons: int) -> None:
    """70 and 90: on either side of where the closed form stands in."""
    distance = detectable_difference(1.0, n, comparisons)
    assert stats.nct.sf(stats.t.isf(0.025 / comparisons, n - 1), n - 1, distance) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(("gap", "comparisons"), [(0.01, 1), (0.02, 1), (0.01, 8)])
def test_the_seeds_that_are_needed_are_those_of_statsmodels(gap: float, comparisons: int) -> None:
    """Runs that spread by two points, of which four were seen."""
    wanted = TTestPower().solve_power(effect_size=gap / 0.02, alpha=0.05 / comparisons, power=0.8)
    assert needed_seeds(0.02 / math.sqrt(4), 4, comparisons, gap) == math.ceil(wanted)


def test_more_than_a_thousand_seeds_are_not_counted() -> None:
    assert needed_seeds(1.0, 4, 1, 1e-3) is None and needed_seeds(1e-9, 4, 1, 1e-3) == 2


def test_many_runs_come_to_the_normal_formula() -> None:
    normal = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert detectable_difference(1.0, 10_000) == pytest.approx(normal, rel=1e-3)
    assert detectable_difference(0.0, 3) == 0.0


def test_where_thousands_are_compared_over_two_seeds_there_is_a_figure() -> None:
    assert 1e4 < detectable_difference(1.0, 2, 5_000) < 1e6


def test_the_contrasts_of_a_family_are_each_judged_by_their_own_error_at_holms_first_step() -> None:
    base = {seed: 0.0 for seed in range(4)}
    steady, unsteady = dict(enumerate((0.1, 0.12, 0.1, 0.12))), dict(enumerate((0.1, 0.5, 0.1, 0.5)))
    values = {"base": base, "steady": steady, "unsteady": unsteady, "once": {0: 0.3}}
    estimates = [difference(values, arm, "base") for arm in ("steady", "unsteady", "once")]
    error = 0.01 * math.sqrt(4 / 3) / 2  # of the steady one: the standard deviation over four seeds, over their root
    found = detectable_range(estimates)
    assert found == pytest.approx(
        (detectable_difference(error, 4, 2), detectable_difference(20 * error, 4, 2))
    )  # the one that has one seed is not tested, and so not one of the family
    assert detectable_range(estimates[2:]) is None and detectable_range([Estimate(None, None, {})]) is None
