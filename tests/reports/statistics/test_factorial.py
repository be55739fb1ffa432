"""Effects against the hand formula; what a design cannot tell apart, by hand and against pyDOE3, which finds it
another way."""

from __future__ import annotations

import numpy as np
import pytest
from pyDOE3 import ff2n, fracfact, fracfact_aliasing, fracfact_by_res

from reports.statistics.factorial import alias_groups, factorial_effects, signs, simple_effect
from tests.reports.statistics.simulate import Values, simulate
from tests.reports.synthetic_design import FACTORS, levels_of

LEVELS = levels_of(FACTORS)
NAMES = "abcdefgh"
FEW = ("a", "b", "c")
FULL = levels_of(FEW, None)


def levels_of_rows(matrix: np.ndarray) -> dict[str, tuple[str, ...]]:
    return {str(row): tuple(NAMES[j] for j in np.flatnonzero(line > 0)) for row, line in enumerate(matrix)}


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
    effects = factorial_effects(values, FULL, FEW)
    assert terms.keys() <= {effect.term for effect in effects}
    for effect in effects:
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
    levels = levels_of_rows(fracfact("a b -ab"))
    values = simulate(levels, {("a", "b"): 2.0}, np.random.default_rng(0), noise=0.0)
    effects = {effect.term: effect for effect in factorial_effects(values, levels, FEW)}
    assert list(effects) == [("a",), ("b",), ("c",)]
    assert effects["c",].estimate.interval.mean == pytest.approx(-2.0)
    assert effects["c",].aliases == {("a", "b"): -1}


def test_a_seed_counts_where_it_has_every_arm_and_arms_of_no_design_are_left_out() -> None:
    values = simulate(FULL, {}, np.random.default_rng(0))
    whole = factorial_effects(values, FULL, FEW)
    assert factorial_effects({**values, "placebo": {0: 9.0}}, FULL, FEW) == whole
    del values["base"][1]
    assert {effect.estimate.interval.n for effect in factorial_effects(values, FULL, FEW)} == {2}
    del values["base"]
    assert {effect.estimate.interval for effect in factorial_effects(values, FULL, FEW)} == {None}


def test_a_factor_that_no_arm_has_is_not_estimated() -> None:
    levels = {arm: tuple(name for name in on if name != "c") for arm, on in FULL.items()}
    effects = {
        effect.term: effect for effect in factorial_effects(simulate(FULL, {}, np.random.default_rng(0)), levels, FEW)
    }
    assert effects["c",].estimate.interval is None


def published(matrix: np.ndarray) -> set[frozenset[str]]:
    """pyDOE3's alias sets, cut down to terms of at most two factors."""
    sets = [frozenset(term for term in line.split(" = ") if len(term) <= 2) for line in fracfact_aliasing(matrix)[0]]
    return {found for found in sets if found}


@pytest.mark.parametrize(
    "matrix",
    [fracfact_by_res(5, 3), fracfact_by_res(6, 3), fracfact_by_res(7, 3), fracfact_by_res(6, 4), fracfact_by_res(8, 4),
     fracfact("a b c d abcd"), ff2n(4)],
    ids=["5,III", "6,III", "7,III", "6,IV", "8,IV", "5,V", "full"],
)  # fmt: skip
def test_groups_are_those_of_pydoe3(matrix: np.ndarray) -> None:
    groups = alias_groups(levels_of_rows(matrix), NAMES[: matrix.shape[1]])
    assert {frozenset("".join(term) for term in group) for group in groups} == published(matrix)


def test_no_main_effect_of_resolution_iv_is_aliased_and_no_term_is_lost() -> None:
    groups = alias_groups(levels_of_rows(fracfact_by_res(8, 4)), NAMES)
    assert [len(group) for group in groups] == [1] * 8 + [4] * 7
    assert len({term for group in groups for term in group}) == sum(map(len, groups)) == 8 + 28


def test_opposite_columns_are_aliases_with_a_minus() -> None:
    groups = alias_groups(levels_of_rows(fracfact("a b -ab")), "abc")
    assert groups == [{("a",): 1, ("b", "c"): -1}, {("b",): 1, ("a", "c"): -1}, {("c",): 1, ("a", "b"): -1}]


def test_a_factor_that_never_changes_is_no_ones_alias() -> None:
    groups = alias_groups({"none": ["c"], "one": ["a", "c"], "two": ["b", "c"], "both": ["a", "b", "c"]}, "abc")
    assert {("c",): 1} in groups
    assert {("a",): 1, ("a", "c"): 1} in groups


def test_factors_that_go_together_are_one_group_and_their_product_is_the_mean() -> None:
    assert alias_groups({"none": [], "both": ["a", "b"]}, "ab") == [{("a",): 1, ("b",): 1}, {("a", "b"): 1}]


def test_signs_are_products() -> None:
    levels = {"none": [], "a": ["a"], "both": ["a", "b"]}
    assert signs(("a",), levels).tolist() == [-1, 1, 1]
    assert signs(("a", "b"), levels).tolist() == [1, -1, 1]
    assert signs((), levels).tolist() == [1, 1, 1]


def test_a_wrong_design_is_refused() -> None:
    with pytest.raises(ValueError, match="factors that the design does not have: z"):
        alias_groups({"none": [], "one": ["z"]}, "ab")
    with pytest.raises(ValueError, match="named twice"):
        alias_groups({"none": []}, "aa")
