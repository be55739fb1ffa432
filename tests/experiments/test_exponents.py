from __future__ import annotations

import numpy as np
import pytest

from experiments.measure.exponents import fitted_exponent, local_exponents, median_ratio

LENGTHS = [256, 768, 4096, 16384]


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.7, 2.0])
def test_a_power_law_is_found_exactly(exponent):
    found = fitted_exponent(LENGTHS, [3.5 * length**exponent for length in LENGTHS])
    assert [found.value, found.low, found.high] == pytest.approx([exponent] * 3, abs=1e-6)


def test_interval_covers_as_often_as_it_says():
    """Noise of 10 % around N^1.5, four lengths: of 400 intervals 95 % hold the truth, up to chance."""
    rng = np.random.default_rng(0)
    noisy = [np.array(LENGTHS) ** 1.5 * np.exp(0.1 * rng.standard_normal(4)) for _ in range(400)]
    fits = [fitted_exponent(LENGTHS, costs.tolist()) for costs in noisy]
    assert 0.92 < np.mean([fit.low <= 1.5 <= fit.high for fit in fits]) < 0.98


def test_growth_that_is_no_power_law_has_a_wide_interval_and_rising_steps():
    samples = {length: [length + (length / 1000) ** 2 * 1000] * 5 for length in LENGTHS}
    fit = fitted_exponent(LENGTHS, [samples[length][0] for length in LENGTHS])
    steps = [step.value for step in local_exponents(samples)]
    assert fit.high - fit.low > 0.3
    assert steps == sorted(steps) and 1.0 < steps[0] < 1.4 < 1.8 < steps[-1] < 2.0


def test_two_lengths_or_one_round_have_no_interval():
    fit = fitted_exponent([256, 512], [1.0, 4.0])
    assert (fit.value, fit.low, fit.high) == (pytest.approx(2.0), None, None)
    (step,) = local_exponents({256: [1.0], 512: [4.0]})
    assert step.model_dump(by_alias=True) == {
        "from": 256, "to": 512, "value": pytest.approx(2.0), "low": None, "high": None
    }  # fmt: skip


def test_what_hits_a_whole_round_cancels_in_ratios():
    rng = np.random.default_rng(0)
    drift = np.exp(rng.standard_normal(40))
    own = [np.exp(0.01 * rng.standard_normal(40)) for _ in range(2)]
    paired = median_ratio(3 * drift * own[0], drift * own[1])
    alone = median_ratio(3 * rng.permutation(drift), drift)
    assert paired.low < 3.0 < paired.high
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)
