"""Aliases against pyDOE3's, which finds them another way, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pyDOE3 import ff2n, fracfact, fracfact_aliasing, fracfact_by_res

from reports.statistics.terms import alias_groups, signs, terms_of

NAMES = "abcdefgh"


def levels_of(matrix: np.ndarray) -> dict[str, list[str]]:
    return {str(row): [NAMES[j] for j in np.flatnonzero(line > 0)] for row, line in enumerate(matrix)}


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
    groups = alias_groups(levels_of(matrix), NAMES[: matrix.shape[1]])
    assert {frozenset("".join(term) for term in group) for group in groups} == published(matrix)


def test_no_main_effect_of_resolution_iv_is_aliased_and_no_term_is_lost() -> None:
    groups = alias_groups(levels_of(fracfact_by_res(8, 4)), NAMES)
    assert [len(group) for group in groups] == [1] * 8 + [4] * 7
    assert sorted(term for group in groups for term in group) == sorted(terms_of(NAMES, 2))


def test_opposite_columns_are_aliases_with_a_minus() -> None:
    groups = alias_groups(levels_of(fracfact("a b -ab")), "abc")
    assert groups == [
        {("a",): 1, ("b", "c"): -1},
        {("b",): 1, ("a", "c"): -1},
        {("c",): 1, ("a", "b"): -1},
    ]


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
