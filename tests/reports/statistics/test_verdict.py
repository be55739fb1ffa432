"""The one rule, by cases and by symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.interval import Interval, mean_interval
from reports.statistics.verdict import Verdict, is_interaction_there, judge

BOUND, MARGIN = st.floats(-1, 1), 0.3


def interval(low: float | None, high: float | None, n: int = 3) -> Interval:
    return Interval(0.0 if low is None or high is None else (low + high) / 2, low, high, n)


@pytest.mark.parametrize(
    ("low", "high", "p", "expected", "reason"),
    [
        (0.1, 0.9, 0.01, Verdict.BETTER, "interval off zero, p 0.010 after Holm"),
        (0.1, 0.9, 0.0001, Verdict.BETTER, "interval off zero, p < 0.001 after Holm"),
        (0.1, 0.9, 0.05, Verdict.UNDECIDED, "interval off zero, but p 0.050 after Holm"),
        (-0.9, -0.1, 0.01, Verdict.WORSE, "interval off zero, p 0.010 after Holm"),
        (-0.9, -0.1, 0.20, Verdict.UNDECIDED, "interval off zero, but p 0.200 after Holm"),
        (-0.2, 0.2, 1.0, Verdict.EQUIVALENT, "interval within ±30 points"),
        (0.1, 0.2, 0.001, Verdict.EQUIVALENT, "interval within ±30 points"),
        (-0.2, -0.1, 0.001, Verdict.EQUIVALENT, "interval within ±30 points"),
        (-0.3, 0.2, 0.5, Verdict.UNDECIDED, "interval holds zero and passes the margin"),
        (0.0, 0.9, 0.04, Verdict.UNDECIDED, "interval holds zero and passes the margin"),
    ],
)
def test_cases(low: float, high: float, p: float, expected: Verdict, reason: str) -> None:
    assert judge(interval(low, high), p, MARGIN) == (expected, reason)


def test_no_spread_observed_is_not_certainty() -> None:
    for agreed in (0.0, 0.5):
        verdict, reason = judge(Interval(agreed, None, None, 2), None, MARGIN)
        assert verdict is Verdict.UNDECIDED and "no spread observed is not certainty" in reason
    assert judge(Interval(0.5, None, None, 1), None, MARGIN) == (Verdict.UNDECIDED, "one seed in common")


def test_what_has_no_seed_in_common_was_not_compared() -> None:
    """Undecided is what a comparison came to."""
    for how in ({}, {"is_interaction": True}, {"interacts_with": ["b"]}, {"idle": ["a"]}):
        assert judge(None, None, MARGIN, **how) == (None, "no seed in common is completed")


def test_without_a_margin_there_is_no_verdict_and_one_must_be_positive() -> None:
    assert judge(interval(0.1, 0.2), 0.001, None) == (None, "no margin was registered")
    assert judge(interval(0.1, 0.2), 0.001, None, interacts_with=["b"])[0] is None
    for margin in (0.0, -0.3):
        with pytest.raises(ValueError, match="positive"):
            judge(interval(-0.1, 0.1), 0.5, margin)


@pytest.mark.parametrize(
    ("low", "high", "p"),
    [(0.4, 0.9, 0.01), (-0.9, -0.4, 0.01), (-0.2, 0.2, 1.0), (0.1, 0.9, 0.1), (0.05, 0.14, 0.01), (0.1, 0.2, 0.01)],
)
def test_an_interaction_is_there_or_undecided(low: float, high: float, p: float) -> None:
    """Held to half the margin, as simple effects differ by twice the interaction."""
    found = interval(low, high)
    verdict, reason = judge(found, p, MARGIN, is_interaction=True, aliases=["c × d", "−e × f"])
    is_there = p < 0.05 and not -MARGIN / 2 < low < high < MARGIN / 2
    assert verdict is (Verdict.INTERACTS if is_there else Verdict.UNDECIDED)
    assert reason.endswith("; not told from c × d, −e × f")
    assert is_interaction_there(found, p, MARGIN) is is_there
    assert is_interaction_there(found, p, None) is (p < 0.05)


@pytest.mark.parametrize(("low", "high", "p"), [(0.4, 0.9, 0.01), (-0.2, 0.2, 1.0), (None, None, None)])
def test_a_main_effect_depends_where_its_factor_interacts(
    low: float | None, high: float | None, p: float | None
) -> None:
    verdict, reason = judge(interval(low, high), p, MARGIN, interacts_with=["b", "c", "b"])
    assert (verdict, reason) == (Verdict.DEPENDS, "interacts with b or c")


@given(BOUND, BOUND, st.floats(1e-6, 1), st.floats(0, 1))
def test_exchanging_the_arms_exchanges_better_and_worse(first: float, second: float, margin: float, p: float) -> None:
    low, high = sorted((first, second))
    turned = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    found = judge(interval(low, high), p, margin)[0]
    assert judge(interval(-high, -low), p, margin)[0] is turned.get(found, found)


def test_equivalent_is_two_one_sided_tests_at_a_fortieth_each() -> None:
    rng, outcomes = np.random.default_rng(0), set()
    for values in rng.normal(0.1, 0.15, (300, 5)):
        below = stats.ttest_1samp(values, MARGIN, alternative="less").pvalue < 0.025
        above = stats.ttest_1samp(values, -MARGIN, alternative="greater").pvalue < 0.025
        outcomes.add(below and above)
        verdict = judge(mean_interval(values.tolist()), 0.001, MARGIN)[0]
        assert (verdict is Verdict.EQUIVALENT) == (below and above)
    assert outcomes == {True, False}
