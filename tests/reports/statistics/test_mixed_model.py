"""The mixed model against least squares with seed blocks, and against the closed form of a balanced design."""

from __future__ import annotations

import numpy as np
import pytest

from reports.statistics.effects import factorial_effects
from reports.statistics.mixed import mixed_effects
from tests.reports.statistics.simulate import simulate
from tests.reports.synthetic_design import FACTORS, levels_of

LEVELS = levels_of(FACTORS)
TRUTH = {("windowed",): 3.0, ("routing", "gated_mlp"): -2.0}


@pytest.mark.parametrize(("order", "seed_sd"), [(1, 5.0), (2, 5.0), (2, 0.0)])
def test_effects_of_a_balanced_design_are_those_of_seed_blocks(order: int, seed_sd: float) -> None:
    cells = simulate(LEVELS, TRUTH, np.random.default_rng(order), seed_sd=seed_sd)
    blocked = factorial_effects(cells, LEVELS, FACTORS, order=order)
    found = mixed_effects(cells, LEVELS, FACTORS, order=order)
    assert found is not None and (found.n, found.seeds) == (48, 3)
    assert [effect.term for effect in found.effects] == [effect.term for effect in blocked]
    assert [effect.estimate for effect in found.effects] == pytest.approx(
        [effect.estimate for effect in blocked], abs=1e-8
    )


def test_spreads_are_those_of_the_analysis_of_variance() -> None:
    cells = simulate(LEVELS, TRUTH, np.random.default_rng(0), seeds=5, seed_sd=2.0)
    table = cells.pivot(index="arm", columns="seed", values="value").to_numpy()
    rest = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    of_runs = (rest**2).sum() / (15 * 4)
    of_seeds = 16 * table.mean(0).var(ddof=1)
    found = mixed_effects(cells, LEVELS, FACTORS, order=2)
    assert found is not None and not found.at_boundary
    assert found.residual_sd == pytest.approx(np.sqrt(of_runs), rel=1e-3)
    assert found.seed_sd == pytest.approx(np.sqrt((of_seeds - of_runs) / 16), rel=1e-2)


def test_intervals_are_normal_ones_with_the_error_of_seed_blocks() -> None:
    cells = simulate(LEVELS, TRUTH, np.random.default_rng(0), seed_sd=2.0)
    found = mixed_effects(cells, LEVELS, FACTORS, order=2)
    for effect in found.effects:
        assert (effect.high - effect.low) / 2 == pytest.approx(1.959964 * 2 * found.residual_sd / np.sqrt(48), rel=1e-4)


def test_seeds_without_a_spread_are_told() -> None:
    cells = simulate(LEVELS, {}, np.random.default_rng(0))
    cells["value"] -= cells.groupby("seed")["value"].transform("mean")
    assert mixed_effects(cells, LEVELS, FACTORS).at_boundary


def test_a_missing_run_moves_the_estimate_no_further_than_its_error() -> None:
    cells = simulate(LEVELS, TRUTH, np.random.default_rng(0), seed_sd=5.0).drop(index=[7, 30])
    blocked = factorial_effects(cells, LEVELS, FACTORS)
    for ours, theirs in zip(mixed_effects(cells, LEVELS, FACTORS).effects, blocked, strict=True):
        # Between-seed information has a small weight beside seeds that are this far apart.
        assert ours.estimate == pytest.approx(theirs.estimate, abs=(theirs.high - theirs.low) / 50)


def test_what_cannot_be_fitted_is_none() -> None:
    cells = simulate(LEVELS, TRUTH, np.random.default_rng(0))
    assert mixed_effects(cells[cells["seed"] == 0], LEVELS, FACTORS) is None
    assert mixed_effects(cells[cells["arm"].map(lambda arm: "gumbel" in LEVELS[arm])], LEVELS, FACTORS) is None
    assert mixed_effects(cells.assign(value=0.5), LEVELS, FACTORS) is None
