"""McNemar against the binomial sum by hand, statsmodels, and its rate where one test split meets several seeds."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference

from reports.statistics.mcnemar import mcnemar
from tests.reports.statistics.simulate import three_errors


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[dict[int, list[bool]], dict[int, list[bool]]]:
    """Of one seed."""
    pairs = [(True, True)] * both + [(True, False)] * only_a + [(False, True)] * only_b + [(False, False)] * neither
    return {0: [a for a, _ in pairs]}, {0: [b for _, b in pairs]}


@given(*[st.integers(0, 30)] * 4)
def test_p_is_the_two_sided_binomial_sum(both: int, only_a: int, only_b: int, neither: int) -> None:
    p, n = mcnemar(*outcomes(both, only_a, only_b, neither)), only_a + only_b
    tail = sum(comb(n, k) for k in range(min(only_a, only_b) + 1)) / 2**n
    assert p == pytest.approx(min(1.0, 2 * tail))
    table = [[both, only_a], [only_b, neither]]
    assert p == pytest.approx(min(1.0, float(reference(table, exact=True).pvalue)))


def test_closed_forms() -> None:
    assert mcnemar(*outcomes(5, 6, 0, 5)) == pytest.approx(2 / 2**6)
    assert mcnemar(*outcomes(5, 0, 0, 5)) == mcnemar({0: []}, {0: []}) == 1.0
    assert mcnemar({0: [True]}, {1: [True]}) is None


def test_seeds_are_pooled_by_what_most_of_them_say() -> None:
    a = {0: [True, True, True, False], 1: [True, False, True, False], 2: [True, False, False, False], 9: [True]}
    b = {0: [False, False, True, True], 1: [False, True, True, False], 2: [False, False, True, False], 8: [True]}
    # Example 0: a in all three seeds; 1: even; 2: b in one; 3: b in one.
    assert mcnemar(a, b) == mcnemar(*outcomes(0, 1, 2, 1)) == 1.0
    wide = [{seed: rights * 4 for seed, rights in of_seed.items()} for of_seed in (a, b)]
    assert mcnemar(*wide) == pytest.approx(mcnemar(*outcomes(0, 4, 8, 4)))


def test_unlike_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="same examples"):
        mcnemar({0: [True]}, {0: [True, False]})
    with pytest.raises(ValueError, match="one test split"):
        mcnemar({0: [True], 1: [True, True]}, {0: [True], 1: [True, True]})


def like_each_other(rng: np.random.Generator, seeds: int, examples: int) -> np.ndarray:
    """Which examples each seed gets right: nine times in ten what they all share, else by itself; 70 % right."""
    shared, own = rng.random(examples) < 0.7, rng.random((seeds, examples)) < 0.7
    return np.where(rng.random((seeds, examples)) < 0.9, shared, own)


def test_pooling_counts_an_example_once_where_adding_counts_would_call_too_much() -> None:
    rng, draws, examples, seeds = np.random.default_rng(0), 800, 400, 3
    pooled, added = [], []
    for _ in range(draws):
        # An arm's models are right on much the same examples; both arms are right as often.
        rights = [like_each_other(rng, seeds, examples) for _ in range(2)]
        a, b = (dict(enumerate(right)) for right in rights)
        pooled.append(mcnemar(a, b) < 0.05)
        added.append(mcnemar(*({0: np.concatenate(right)} for right in rights)) < 0.05)
    assert np.mean(pooled) <= 0.05 + three_errors(0.05, draws)
    assert np.mean(added) > 0.15
