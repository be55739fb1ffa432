"""The four verdicts by cases, and that they are two one-sided tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.interval import mean_interval
from reports.statistics.verdict import Verdict, verdict
from tests.reports.statistics.simulate import three_errors

BOUND = st.floats(-1, 1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.9, Verdict.BETTER),
        (0.5, 0.9, Verdict.BETTER),
        (-0.9, -0.1, Verdict.WORSE),
        (-0.2, 0.2, Verdict.EQUIVALENT),
        (0.1, 0.2, Verdict.EQUIVALENT),
        (-0.2, -0.1, Verdict.EQUIVALENT),
        (-0.3, 0.2, Verdict.UNDECIDED),
        (-0.9, 0.9, Verdict.UNDECIDED),
        (0.0, 0.9, Verdict.UNDECIDED),
        (None, None, Verdict.UNDECIDED),
    ],
)
def test_cases(low: float | None, high: float | None, expected: Verdict) -> None:
    assert verdict(low, high, 0.3) == expected


@given(BOUND, BOUND, st.floats(0, 1))
def test_exchanging_the_arms_exchanges_better_and_worse(one: float, other: float, margin: float) -> None:
    low, high = sorted((one, other))
    turned = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    found = verdict(low, high, margin)
    assert verdict(-high, -low, margin) == turned.get(found, found)


def test_a_margin_of_zero_is_never_equivalent_and_a_negative_one_is_refused() -> None:
    assert verdict(0.0, 0.0, 0.0) == Verdict.UNDECIDED
    with pytest.raises(ValueError, match="negative"):
        verdict(-0.1, 0.1, -0.3)


def test_equivalent_is_two_one_sided_tests_at_a_fortieth_each() -> None:
    rng, margin = np.random.default_rng(0), 0.3
    seen = set()
    for values in rng.normal(0.1, 0.15, (300, 5)):
        interval = mean_interval(values.tolist())
        below = stats.ttest_1samp(values, margin, alternative="less").pvalue < 0.025
        above = stats.ttest_1samp(values, -margin, alternative="greater").pvalue < 0.025
        seen.add(below and above)
        assert (verdict(interval.low, interval.high, margin) == Verdict.EQUIVALENT) == (below and above)
    assert seen == {True, False}


@pytest.mark.parametrize("seeds", [3, 5])
def test_rates_of_the_verdicts_over_seeds(seeds: int) -> None:
    rng, draws, margin = np.random.default_rng(seeds), 3000, 1.0

    def rates(truth: float, noise: float) -> dict[Verdict, float]:
        intervals = [mean_interval(row.tolist()) for row in rng.normal(truth, noise, (draws, seeds))]
        said = [verdict(i.low, i.high, margin) for i in intervals]
        return {name: said.count(name) / draws for name in Verdict}

    null, edge = rates(0.0, 3.0), rates(margin, 0.02)
    for name in (Verdict.BETTER, Verdict.WORSE):
        # An interval that is off zero and inside the margin says equivalent, so the rate may be below 2.5 %.
        assert 0.01 < null[name] <= 0.025 + three_errors(0.025, draws)
    assert edge[Verdict.EQUIVALENT] == pytest.approx(0.025, abs=three_errors(0.025, draws))
