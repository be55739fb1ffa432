"""Effects against the hand formula, and what a design cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from pyDOE3 import fracfact

from reports.statistics.factorial import factorial_effects, simple_effect
from tests.reports.statistics.simulate import Values, simulate
from tests.reports.synthetic_design import FACTORS, levels_of

LEVELS = levels_of(FACTORS)
FEW = ("a", "b", "c")
FULL = levels_of(FEW, None)


def fraction(generators: str) -> dict[str, tuple[str, ...]]:
    rows = enumerate(fracfact(generators))
    return {str(number): tuple("abc"[j] for j in np.flatnonzero(row > 0)) for number, row in rows}


def mean_over(values: Values, arms: list[str]) -> float:
    return float(np.mean([list(values[arm].values()) for arm in arms]))


def test_an_effect_is_the_mean_of_plus_less_the_mean_of_minus() -> None:
    values = simulate(LEVELS, {("windowed",): 3.0}, np.random.default_rng(0), seed_sd=5.0)
    effects = factorial_effects(values, LEVELS, FACTORS)
    assert [len(effect.term) for effect in effects] == [1] * 8 + [2] * 7
    for effect in effects:
        sign = {arm: np.prod([1 if name in on else -1 for name in effect.term]) for arm, on in LEVELS.items()}
        plus, minus = ([arm for arm in LEVELS if sign[arm] == side] for side in (1, -1))
        expected = mean_over(values, plus) - mean_over(values, minus)
        assert effect.estimate.interval.mean == pytest.approx(expected) and effect.estimate.interval.n == 3


def test_exact_effects_come_back() -> None:
    terms = {("a",): 0.3, ("b",): -0.2, ("a", "b"): 0.1}
    values = simulate(FULL, terms, np.random.default_rng(0), noise=0.0)
    for effect in factorial_effects(values, FULL, FEW):
        assert effect.estimate.interval.mean == pytest.approx(terms.get(effect.term, 0.0), abs=1e-12)
    # Half of the interaction is added to the main effect where the other is on, taken away where it is off.
    for is_on, expected in ((True, 0.4), (False, 0.2)):
        found = simple_effect(values, FULL, "a", "b", is_on=is_on)
        assert found.interval.mean == pytest.approx(expected)


def test_simple_effects_are_means_of_the_arms_they_name() -> None:
    values = simulate(LEVELS, {("windowed", "layer_norm"): 4.0}, np.random.default_rng(1), seed_sd=3.0)
    for is_on in (True, False):
        among = [arm for arm, on in LEVELS.items() if ("layer_norm" in on) == is_on]
        on, off = ([arm for arm in among if ("windowed" in LEVELS[arm]) == side] for side in (True, False))
        found = simple_effect(values, LEVELS, "windowed", "layer_norm", is_on=is_on)
        assert (len(on), len(off)) == (4, 4)
        assert found.interval.mean == pytest.approx(mean_over(values, on) - mean_over(values, off))


def test_aliases_are_named_with_the_sign_they_enter_by() -> None:
    levels = fraction("a b -ab")
    values = simulate(levels, {("a", "b"): 2.0}, np.random.default_rng(0), noise=0.0)
    effects = {effect.term: effect for effect in factorial_effects(values, levels, FEW)}
    assert list(effects) == [("a",), ("b",), ("c",)]
    assert effects["c",].estimate.interval.mean == pytest.approx(-2.0)
    assert effects["c",].aliases == (("a", "b"),) == effects["c",].negated


def test_a_seed_counts_where_it_has_every_arm_and_arms_of_no_design_are_left_out() -> None:
    values = simulate(FULL, {}, np.random.default_rng(0))
    whole = factorial_effects(values, FULL, FEW)
    assert factorial_effects({**values, "placebo": {0: 9.0}}, FULL, FEW) == whole
    del values["base"][1]
    assert {effect.estimate.interval.n for effect in factorial_effects(values, FULL, FEW)} == {2}
    del values["base"]
    assert {effect.estimate.interval for effect in factorial_effects(values, FULL, FEW)} == {None}


def test_one_seed_has_an_estimate_and_no_interval() -> None:
    for effect in factorial_effects(simulate(LEVELS, {}, np.random.default_rng(0), seeds=1), LEVELS, FACTORS):
        assert effect.estimate.interval is not None
        assert (effect.estimate.interval.low, effect.estimate.p) == (None, None)


def test_arms_that_all_agree_have_no_effect_and_no_test() -> None:
    values = {arm: {0: 0.7123, 1: 0.7123} for arm in LEVELS}
    for effect in factorial_effects(values, LEVELS, FACTORS):
        assert effect.estimate.interval.mean == pytest.approx(0.0, abs=1e-15)
        assert (effect.estimate.interval.low, effect.estimate.p) == (None, None)


def test_a_factor_that_no_arm_has_is_not_estimated() -> None:
    levels = {arm: tuple(name for name in on if name != "c") for arm, on in FULL.items()}
    effects = {
        effect.term: effect for effect in factorial_effects(simulate(FULL, {}, np.random.default_rng(0)), levels, FEW)
    }
    assert effects["c",].estimate.interval is None
