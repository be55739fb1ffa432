"""What 95 %, 5 % and 80 % are worth: rates over simulated grids of 16 arms × 3 seeds, within Monte Carlo error.

Each bound is three standard errors of the measured rate, computed and not chosen.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from reports.statistics.effects import Effect, factorial_effects
from reports.statistics.power import detectable_effect
from reports.statistics.verdict import Verdict, verdict
from tests.reports.statistics.simulate import simulate, three_errors, three_errors_of
from tests.reports.synthetic_design import FACTORS, levels_of

LEVELS = levels_of(FACTORS)
DRAWS = 400
DETECTABLE = detectable_effect(1.0, 48, 30)
MARGIN = 2.0
"""Of noise 1 and an effect's standard error of 0.29: wide enough that an interval fits inside."""
TRUTH = {("windowed",): DETECTABLE, ("routing",): MARGIN, ("gated_mlp",): -MARGIN, ("windowed", "multi_head"): 1.0}


@cache
def grids(draws: int, order: int) -> list[list[Effect]]:
    """Seeds move all arms by five times the noise of a run; the same draws for each test."""
    rng = np.random.default_rng(7)
    return [
        factorial_effects(simulate(LEVELS, TRUTH, rng, seed_sd=5.0), LEVELS, FACTORS, order=order)
        for _ in range(draws)
    ]  # fmt: skip


def shares_covered(found: list[list[Effect]]) -> list[float]:
    return [np.mean([e.low <= TRUTH.get(e.term, 0.0) <= e.high for e in effects]) for effects in found]


def share(found: list[list[Effect]], term: tuple[str, ...], called: str) -> float:
    members = [next(e for e in effects if e.term == term) for effects in found]
    return float(np.mean([verdict(e.low, e.high, MARGIN) == called for e in members]))


def test_intervals_cover_at_their_level() -> None:
    covered = shares_covered(grids(DRAWS, 2))
    assert np.mean(covered) == pytest.approx(0.95, abs=three_errors_of(covered))


@pytest.mark.slow
def test_intervals_cover_at_their_level_to_four_tenths_of_a_point() -> None:
    rng = np.random.default_rng(11)
    drawn = (simulate(LEVELS, TRUTH, rng, seed_sd=5.0) for _ in range(3000))
    covered = [shares_covered([factorial_effects(cells, LEVELS, FACTORS, order=2)])[0] for cells in drawn]
    assert three_errors_of(covered) < 0.004
    assert np.mean(covered) == pytest.approx(0.95, abs=three_errors_of(covered))


def test_null_effects_are_called_at_the_stated_rate() -> None:
    called = [np.mean([e.p < 0.05 for e in effects if e.term not in TRUTH]) for effects in grids(DRAWS, 2)]
    assert np.mean(called) == pytest.approx(0.05, abs=three_errors_of(called))


@pytest.mark.parametrize("family", [1, 2])
def test_holm_calls_any_null_effect_in_at_most_one_grid_of_twenty(family: int) -> None:
    any_called = np.mean([
        any(e.p_holm < 0.05 for e in effects if e.term not in TRUTH and len(e.term) == family)
        for effects in grids(DRAWS, 2)
    ])  # fmt: skip
    assert any_called <= 0.05 + three_errors(0.05, DRAWS)
    # Without the correction five or six null effects at 5 % each would be called in about every fourth grid.
    uncorrected = np.mean([
        any(e.p < 0.05 for e in effects if e.term not in TRUTH and len(e.term) == family)
        for effects in grids(DRAWS, 2)
    ])  # fmt: skip
    assert uncorrected > 0.05 + three_errors(0.05, DRAWS)


def test_the_detectable_effect_is_found_four_times_in_five() -> None:
    found = np.mean([effects[0].p < 0.05 for effects in grids(DRAWS, 2)])
    assert found == pytest.approx(0.80, abs=three_errors(0.80, DRAWS))


@pytest.mark.parametrize("term", [("routing",), ("gated_mlp",)])
def test_an_effect_of_exactly_the_margin_is_called_equivalent_once_in_forty(term: tuple[str]) -> None:
    rate = share(grids(DRAWS, 2), term, Verdict.EQUIVALENT)
    assert rate == pytest.approx(0.025, abs=three_errors(0.025, DRAWS))


def test_no_effect_is_called_equivalent_where_the_design_is_good_enough() -> None:
    assert share(grids(DRAWS, 2), ("pyramid",), Verdict.EQUIVALENT) > 0.99
    assert share(grids(DRAWS, 2), ("routing",), Verdict.BETTER) > 0.95
    assert share(grids(DRAWS, 2), ("gated_mlp",), Verdict.WORSE) > 0.95


def test_an_interaction_that_is_not_in_the_model_widens_the_intervals_and_moves_nothing() -> None:
    with_it, without = grids(DRAWS, 2)[:100], grids(100, 1)  # the same draws
    for full, small in zip(with_it, without, strict=True):
        assert [e.estimate for e in small] == pytest.approx([e.estimate for e in full[:8]])
    assert np.mean(shares_covered(without)) >= 0.95 - three_errors_of(shares_covered(without))
    width = [np.mean([effects[0].high - effects[0].low for effects in found]) for found in (with_it, without)]
    assert width[1] > width[0]
