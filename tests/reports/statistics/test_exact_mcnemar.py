"""McNemar against the binomial sum by hand, statsmodels, and its rate where one test split meets several seeds."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference

from reports.statistics.mcnemar import McNemar, mcnemar, mcnemar_pooled
from tests.reports.statistics.simulate import three_errors


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[list[bool], list[bool]]:
    pairs = [(True, True)] * both + [(True, False)] * only_a + [(False, True)] * only_b + [(False, False)] * neither
    return [a for a, _ in pairs], [b for _, b in pairs]


@given(*[st.integers(0, 30)] * 4)
def test_p_is_the_two_sided_binomial_sum(both: int, only_a: int, only_b: int, neither: int) -> None:
    found, n = mcnemar(*outcomes(both, only_a, only_b, neither)), only_a + only_b
    tail = sum(comb(n, k) for k in range(min(only_a, only_b) + 1)) / 2**n
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    table = [[both, only_a], [only_b, neither]]
    assert found.p == pytest.approx(min(1.0, float(reference(table, exact=True).pvalue)))


def test_closed_forms() -> None:
    assert mcnemar(*outcomes(5, 6, 0, 5)).p == pytest.approx(2 / 2**6)
    assert mcnemar(*outcomes(5, 0, 0, 5)) == McNemar(0, 0, 1.0)
    assert mcnemar([], []) == McNemar(0, 0, 1.0)


def test_seeds_are_tested_each_and_pooled_by_what_most_of_them_say() -> None:
    a = {0: [True, True, True, False], 1: [True, False, True, False], 2: [True, False, False, False], 9: [True]}
    b = {0: [False, False, True, True], 1: [False, True, True, False], 2: [False, False, True, False], 8: [True]}
    by_seed = {seed: mcnemar(a[seed], b[seed]) for seed in sorted(a.keys() & b.keys())}
    assert {seed: (t.only_a, t.only_b) for seed, t in by_seed.items()} == {0: (2, 1), 1: (1, 1), 2: (1, 1)}
    # Example 0: a in all three seeds; 1: even; 2: b in one; 3: b in one.
    assert mcnemar_pooled(a, b) == McNemar(1, 2, 1.0)
    assert mcnemar_pooled({0: a[0]}, {0: b[0]}) == mcnemar(a[0], b[0])
    assert mcnemar_pooled({0: [True]}, {1: [True]}) is None


def test_unlike_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="same examples"):
        mcnemar([True], [True, False])
    with pytest.raises(ValueError, match="one test split"):
        mcnemar_pooled({0: [True], 1: [True, True]}, {0: [True], 1: [True, True]})


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
        pooled.append(mcnemar_pooled(a, b).p < 0.05)
        added.append(mcnemar(np.concatenate(rights[0]), np.concatenate(rights[1])).p < 0.05)
    assert np.mean(pooled) <= 0.05 + three_errors(0.05, draws)
    assert np.mean(added) > 0.15
