"""Effects against the hand formula, numpy's least squares, and a rank argument for what cannot be estimated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyDOE3 import fracfact
from scipy import stats

from reports.statistics.effects import factorial_effects, residual_noise
from reports.statistics.terms import Term, terms_of
from tests.reports.statistics.simulate import simulate
from tests.reports.synthetic_design import FACTORS, levels_of

LEVELS = levels_of(FACTORS)
FEW = ("a", "b", "c")
FULL = levels_of(FEW, None)


def sign(term: Term, on: tuple[str, ...]) -> int:
    return int(np.prod([1 if name in on else -1 for name in term]))


def fraction(generators: str) -> dict[str, tuple[str, ...]]:
    rows = enumerate(fracfact(generators))
    return {str(number): tuple("abc"[j] for j in np.flatnonzero(row > 0)) for number, row in rows}


def matrix_by_hand(cells: pd.DataFrame, levels: dict[str, tuple[str, ...]], terms: list[Term]) -> np.ndarray:
    """Seeds as an intercept and differences from the first, unlike the blocks of the code."""
    seeds = sorted(cells["seed"].unique())
    rows = [
        [1.0, *(float(seed == other) for other in seeds[1:]), *(sign(term, levels[arm]) / 2 for term in terms)]
        for arm, seed in zip(cells["arm"], cells["seed"], strict=True)
    ]
    return np.array(rows)


@pytest.mark.parametrize("order", [1, 2])
def test_an_effect_is_the_mean_of_plus_less_the_mean_of_minus(order: int) -> None:
    cells = simulate(LEVELS, {("windowed",): 3.0}, np.random.default_rng(0), seed_sd=5.0)
    found = factorial_effects(cells, LEVELS, FACTORS, order=order)
    assert len(found) == {1: 8, 2: 15}[order] and {effect.n for effect in found} == {48}
    for effect in found:
        of_plus = cells["arm"].map(lambda arm, term=effect.term: sign(term, LEVELS[arm]) > 0)
        by_hand = cells["value"][of_plus].mean() - cells["value"][~of_plus].mean()
        assert effect.estimate == pytest.approx(by_hand, abs=1e-12)


def test_intervals_and_p_are_of_t_with_the_residual_of_arms_and_seeds() -> None:
    cells = simulate(LEVELS, {("routing",): 1.0}, np.random.default_rng(1), seed_sd=5.0)
    table = cells.pivot(index="arm", columns="seed", values="value").to_numpy()
    # Order 2 takes all 15 degrees of freedom of 16 arms, so what is left is arms × seeds, as in a two-way table.
    rest = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    error = 2 * np.sqrt((rest**2).sum() / 30) / np.sqrt(48)
    noise = residual_noise(cells, LEVELS, FACTORS, order=2)
    assert (noise.df, noise.n) == (30, 48) and noise.sd == pytest.approx(np.sqrt((rest**2).sum() / 30))
    for effect in factorial_effects(cells, LEVELS, FACTORS, order=2):
        half = stats.t.ppf(0.975, 30) * error
        assert (effect.low, effect.high) == pytest.approx((effect.estimate - half, effect.estimate + half))
        assert effect.p == pytest.approx(2 * stats.t.sf(abs(effect.estimate) / error, 30))


def test_holm_runs_over_main_effects_and_over_interactions_apart() -> None:
    cells = simulate(LEVELS, {("routing",): 1.0}, np.random.default_rng(2))
    found = factorial_effects(cells, LEVELS, FACTORS, order=2)
    for family in (found[:8], found[8:]):
        smallest = min(family, key=lambda effect: effect.p)
        assert smallest.p_holm == pytest.approx(min(1.0, len(family) * smallest.p))


def test_aliases_are_named_with_the_sign_they_enter_by() -> None:
    levels = fraction("a b -ab")
    cells = simulate(levels, {("a", "b"): 2.0}, np.random.default_rng(0), noise=0.0)
    found = {effect.term: effect for effect in factorial_effects(cells, levels, FEW, order=2)}
    assert list(found) == [("a",), ("b",), ("c",)]
    assert found["c",].estimate == pytest.approx(-2.0)
    assert found["c",].aliases == (("a", "b"),) == found["c",].negated


def test_main_effects_of_order_1_still_name_the_interactions_they_hide() -> None:
    levels = fraction("a b ab")
    cells = simulate(levels, {}, np.random.default_rng(0))
    assert [effect.aliases for effect in factorial_effects(cells, levels, FEW)] == [
        (("b", "c"),), (("a", "c"),), (("a", "b"),),
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_unbalanced_grids_give_least_squares_where_the_runs_determine_it_and_nothing_else(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    order = data.draw(st.sampled_from([1, 2]))
    cells = simulate(FULL, {("a",): 1.0, ("a", "c"): 1.0}, rng, seed_sd=3.0)
    cells = cells.sample(n=data.draw(st.integers(1, len(cells))), random_state=int(rng.integers(2**31)))
    terms = terms_of(FEW, order)
    matrix = matrix_by_hand(cells, FULL, terms)
    solution = np.linalg.lstsq(matrix, cells["value"].to_numpy(), rcond=None)[0]
    rank = np.linalg.matrix_rank(matrix)
    for place, effect in enumerate(factorial_effects(cells, FULL, FEW, order=order), start=-len(terms)):
        assert effect.term == terms[place]
        row = np.zeros(matrix.shape[1])
        row[place] = 1.0
        # A coefficient is determined if and only if its unit row adds nothing to the rows at hand.
        if np.linalg.matrix_rank(np.vstack([matrix, row])) > rank:
            assert (effect.estimate, effect.low, effect.high, effect.p, effect.p_holm) == (None,) * 5
        else:
            assert effect.estimate == pytest.approx(solution[place], abs=1e-9)
            assert (effect.low is None) == (len(cells) == rank)


def test_a_run_without_a_value_is_missing_and_arms_of_no_design_are_left_out() -> None:
    cells = simulate(FULL, {}, np.random.default_rng(0))
    more = pd.concat([cells, pd.DataFrame({"arm": ["placebo"], "seed": [0], "value": [9.0]})])
    assert factorial_effects(more, FULL, FEW) == factorial_effects(cells, FULL, FEW)
    holed = cells.assign(value=cells["value"].where(cells.index != 5))
    assert factorial_effects(holed, FULL, FEW) == factorial_effects(cells.drop(index=5), FULL, FEW)
    assert {effect.n for effect in factorial_effects(holed, FULL, FEW)} == {23}


def test_without_spare_runs_there_is_an_estimate_and_no_interval() -> None:
    cells = simulate(LEVELS, {}, np.random.default_rng(0), seeds=1)
    for effect in factorial_effects(cells, LEVELS, FACTORS, order=2):
        assert effect.estimate is not None
        assert (effect.low, effect.high, effect.p, effect.p_holm) == (None, None, None, None)


def test_without_runs_every_effect_is_missing() -> None:
    found = factorial_effects(pd.DataFrame(columns=["arm", "seed", "value"]), FULL, FEW)
    assert [(effect.term, effect.estimate, effect.n) for effect in found] == [((name,), None, 0) for name in FEW]


def test_arms_that_all_agree_have_no_effect_and_no_test() -> None:
    cells = simulate(LEVELS, {}, np.random.default_rng(0)).assign(value=0.7123)
    for effect in factorial_effects(cells, LEVELS, FACTORS):
        assert (effect.estimate, effect.low, effect.high, effect.p) == (0.0, 0.0, 0.0, None)


def test_bad_cells_are_refused() -> None:
    cells = simulate(FULL, {}, np.random.default_rng(0))
    with pytest.raises(ValueError, match="two values of arm 'base', seed 0"):
        factorial_effects(pd.concat([cells, cells]), FULL, FEW)
    with pytest.raises(ValueError, match="infinite"):
        factorial_effects(cells.assign(value=np.inf), FULL, FEW)
    with pytest.raises(ValueError, match="not there: value"):
        factorial_effects(cells.drop(columns="value"), FULL, FEW)
