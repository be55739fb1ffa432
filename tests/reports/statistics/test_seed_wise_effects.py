"""Effects by seeds alone: same estimates, fewer assumptions; and why HC3 would add nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from reports.statistics.effects import factorial_effects
from reports.statistics.linear import model_matrix
from reports.statistics.robust import seed_wise_effects
from tests.reports.statistics.simulate import simulate, three_errors, three_errors_of
from tests.reports.synthetic_design import FACTORS, levels_of

LEVELS = levels_of(FACTORS)


def test_estimates_of_a_balanced_grid_are_those_of_least_squares() -> None:
    cells = simulate(LEVELS, {("windowed",): 1.0}, np.random.default_rng(0), seed_sd=5.0)
    by_seeds = seed_wise_effects(cells, LEVELS, FACTORS, order=2)
    for ours, theirs in zip(by_seeds, factorial_effects(cells, LEVELS, FACTORS, order=2), strict=True):
        assert ours.term == theirs.term and ours.interval is not None and ours.interval.n == 3
        assert ours.interval.mean == pytest.approx(theirs.estimate)


def test_p_is_of_a_t_test_over_each_seeds_own_contrast() -> None:
    cells = simulate(LEVELS, {}, np.random.default_rng(1))
    table = cells.pivot(index="seed", columns="arm", values="value")
    is_on = np.array(["routing" in LEVELS[arm] for arm in table.columns])
    contrasts = table.loc[:, is_on].mean(axis=1) - table.loc[:, ~is_on].mean(axis=1)
    found = next(e for e in seed_wise_effects(cells, LEVELS, FACTORS) if e.term == ("routing",))
    assert found.p == pytest.approx(stats.ttest_1samp(contrasts, 0.0).pvalue)


def test_if_one_arm_makes_all_the_noise_least_squares_has_the_same_t_with_degrees_that_it_does_not_have() -> None:
    cells = simulate(LEVELS, {}, np.random.default_rng(2), noise=0.0)
    cells.loc[cells["arm"] == "base", "value"] = [0.3, 1.1, 0.6]
    effect = factorial_effects(cells, LEVELS, FACTORS, order=2)[0]
    by_seeds = seed_wise_effects(cells, LEVELS, FACTORS, order=2)[0]
    t = stats.t.isf(effect.p / 2, 30)
    assert by_seeds.p == pytest.approx(2 * stats.t.sf(t, 2))
    # So an interval of 30 degrees of freedom covers as often as |t(2)| stays below t(30)'s bound.
    assert 1 - 2 * stats.t.sf(stats.t.ppf(0.975, 30), 2) == pytest.approx(0.82, abs=0.005)


def test_hc3_gives_every_term_of_a_balanced_grid_one_error() -> None:
    cells = simulate(LEVELS, {("windowed",): 2.0}, np.random.default_rng(3))
    noisy = cells["arm"].map(lambda arm: 9.0 if "routing" in LEVELS[arm] else 1.0)
    cells["value"] = cells["value"] * noisy
    terms = [effect.term for effect in factorial_effects(cells, LEVELS, FACTORS, order=2)]
    plain = sm.OLS(cells["value"].to_numpy(), model_matrix(cells, LEVELS, terms)).fit()
    assert plain.HC3_se[3:] == pytest.approx(plain.bse[3:] * math.sqrt(48 / 30))


def test_too_few_seeds_and_undetermined_terms_have_no_test() -> None:
    one = simulate(LEVELS, {}, np.random.default_rng(0), seeds=1)
    assert all(
        e.p is None and e.interval.n == 1 and e.interval.low is None for e in seed_wise_effects(one, LEVELS, FACTORS)
    )
    half = one[one["arm"].map(lambda arm: "pyramid" in LEVELS[arm])]
    found = {e.term: e.interval for e in seed_wise_effects(half, LEVELS, FACTORS)}
    assert found["pyramid",] is None and found["windowed",] is not None


@pytest.mark.slow
def test_where_a_factor_acts_unlike_by_seed_only_the_seeds_cover() -> None:
    rng, draws, names = np.random.default_rng(4), 1500, ("a", "b", "c")
    levels, by_runs, by_seeds = levels_of(names, None), [], []
    for _ in range(draws):
        cells = simulate(levels, {}, rng)
        moved = dict(enumerate(rng.normal(0, 2.0, 3)))
        cells["value"] += [
            moved[s] / 2 * (1 if "a" in levels[arm] else -1) for s, arm in zip(cells["seed"], cells["arm"], strict=True)
        ]
        effect = factorial_effects(cells, levels, names)[0]
        by_runs.append(float(effect.low <= 0 <= effect.high))
        interval = seed_wise_effects(cells, levels, names)[0].interval
        by_seeds.append(float(interval.low <= 0 <= interval.high))
    assert np.mean(by_seeds) == pytest.approx(0.95, abs=three_errors(0.95, draws))
    assert np.mean(by_runs) < 0.95 - 2 * three_errors_of(by_runs)
