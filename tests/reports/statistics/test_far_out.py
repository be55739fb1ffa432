"""Effects over the arms that are left, against least squares and against what was put in."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from reports.statistics.contrast import contrast
from reports.statistics.factorial import factorial_effects, signs, simple_effect
from reports.statistics.far_out import OverOthers, far_out
from tests.reports.statistics.simulate import simulate
from tests.reports.synthetic_design import levels_of

MANY = 10**9
FACTORS = ("a", "b", "c", "d")
LEVELS = levels_of(FACTORS, None)
TERMS = (*combinations(FACTORS, 1), *combinations(FACTORS, 2))
TRUTH = {("a",): 3.0, ("a", "b"): 2.0, ("c",): -1.0}


def test_an_arm_is_far_out_beyond_the_outer_fence() -> None:
    """Quartiles of these nine are 3 and 7: the fence is at −9."""
    means = {str(value): 0.5 + value / 100 for value in range(2, 10)}
    assert far_out(means | {"low": 0.411}, MANY) == () and far_out(means | {"low": 0.409}, MANY) == ("low",)
    assert far_out(means | {"high": 1.0}, MANY) == (), "which no enhancement complains of"
    assert far_out({}, MANY) == () == far_out({"a": 1.0}, MANY) == far_out({"a": 1.0, "b": 1.0}, MANY)


@pytest.mark.parametrize("share", [1.0, 0.9, 0.3])
def test_an_arm_no_farther_than_the_test_examples_can_tell_is_not_far_out(share: float) -> None:
    """Equal means have no range to be measured by; of none wrong in n, n / (n + z²) may be right."""
    means = {str(number): share for number in range(8)}
    z = stats.norm.ppf(0.975)
    n, p = 10_000, share
    bound = (p + z**2 / 2 / n - z * math.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)) / (1 + z**2 / n)
    for near in (math.nextafter(share, 0.0), share - 1 / n, bound + 1e-9):
        assert far_out(means | {"low": near}, n) == ()
    assert far_out(means | {"low": bound - 1e-9}, n) == ("low",) == far_out(means | {"low": 0.1}, n)


def test_without_any_arm_left_out_effects_are_what_they_were() -> None:
    values = simulate(LEVELS, TRUTH, np.random.default_rng(0))
    others = OverOthers(LEVELS, TERMS, ())
    for effect in factorial_effects(values, LEVELS, FACTORS):
        found = contrast(values, others.weights(effect.term))
        assert found.interval.mean == pytest.approx(effect.estimate.interval.mean)
        assert found.p == pytest.approx(effect.estimate.p)
    for is_on in (False, True):
        found = contrast(values, others.simple_weights("a", "b", is_on=is_on))
        expected = simple_effect(values, LEVELS, "a", "b", is_on=is_on)
        assert found.interval.mean == pytest.approx(expected.interval.mean)


def test_what_an_arm_that_collapsed_did_to_effects_is_undone() -> None:
    values = simulate(LEVELS, TRUTH, np.random.default_rng(0), noise=0.0)
    values["base+a+c"] = {seed: value - 40.0 for seed, value in values["base+a+c"].items()}
    means = {arm: 0.5 + float(np.mean(list(seeds.values()))) / 100 for arm, seeds in values.items()}
    assert far_out(means, MANY) == ("base+a+c",)
    others = OverOthers(LEVELS, TERMS, {"base+a+c"})
    for effect in factorial_effects(values, LEVELS, FACTORS):
        moved = effect.estimate.interval.mean - TRUTH.get(effect.term, 0.0)
        assert abs(moved) == pytest.approx(5.0), "40 / 8"
        weights = others.weights(effect.term)
        assert "base+a+c" not in weights and sum(weights.values()) == pytest.approx(0)
        assert contrast(values, weights).interval.mean == pytest.approx(TRUTH.get(effect.term, 0.0))
    for is_on, expected in ((False, 1.0), (True, 5.0)):
        weights = others.simple_weights("a", "b", is_on=is_on)
        assert contrast(values, weights).interval.mean == pytest.approx(expected)


def test_they_are_least_squares() -> None:
    rng = np.random.default_rng(1)
    values = simulate(LEVELS, TRUTH, rng, noise=3.0)
    left = [arm for arm in LEVELS if arm not in ("base", "base+a+b+d")]
    matrix = np.array([[1.0, *(signs(term, {arm: LEVELS[arm]})[0] for term in TERMS)] for arm in left])
    outcome = np.array([np.mean(list(values[arm].values())) for arm in left])
    solved, *_ = np.linalg.lstsq(matrix, outcome, rcond=None)
    others = OverOthers(LEVELS, TERMS, ("base", "base+a+b+d"))
    for term, coefficient in zip(TERMS, solved[1:], strict=True):
        assert contrast(values, others.weights(term)).interval.mean == pytest.approx(2 * coefficient)


def test_an_alias_enters_by_its_sign_and_a_full_design_of_terms_leaves_none_to_spare() -> None:
    half = {arm: on for arm, on in LEVELS.items() if len(on) % 2 == 0}  # d = a b c: a b is an alias of c d
    terms = (*combinations(FACTORS, 1), ("a", "b"), ("a", "c"), ("a", "d"))
    whole = OverOthers(half, terms, ())
    assert whole.weights(("c", "d")) == whole.weights(("a", "b")) != {}
    other = {arm: on for arm, on in LEVELS.items() if len(on) % 2 == 1}
    turned = OverOthers(other, terms, ())
    assert turned.weights(("c", "d")) == {arm: -weight for arm, weight in turned.weights(("a", "b")).items()}
    assert OverOthers(half, terms, ("base",)).weights(("a",)) == {}, "eight arms, seven effects and a mean"
    assert OverOthers(half, terms, ("base",)).simple_weights("a", "b", is_on=True) == {}
