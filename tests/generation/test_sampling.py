"""Each rule of sampling against transformers', and what it must do by definition."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.errors import SpecError
from swarmformer.generation.sampling import Sampling, penalised, top_k, top_p

V = 50
SEEN = torch.tensor([3, 7, 7, 0, 41])
ROWS = [torch.randn(V, generator=torch.Generator().manual_seed(seed)) * 3 for seed in range(6)]
TIED = torch.tensor([1.0, 5.0, 5.0, 2.0, 5.0, -1.0])


@pytest.fixture(scope="module")
def theirs() -> Any:
    return pytest.importorskip("transformers.generation.logits_process", reason="comes with the published Lumenspark")


def processed(processor: Any, logits_V: Tensor) -> Tensor:
    return processor(SEEN[None], logits_V[None].clone())[0]


@pytest.mark.parametrize("penalty", [0.7, 1.0, 1.2, 2.0])
def test_repetition_penalty(theirs: Any, penalty: float) -> None:
    for row in ROWS:
        expected = processed(theirs.RepetitionPenaltyLogitsProcessor(penalty), row)
        assert torch.equal(penalised(row, SEEN, penalty), expected)


@pytest.mark.parametrize("k", [1, 2, 5, V - 1, V, 3 * V])
def test_top_k(theirs: Any, k: int) -> None:
    for row in ROWS:
        assert torch.equal(top_k(row, k), processed(theirs.TopKLogitsWarper(k), row))


def test_top_k_keeps_ties(theirs: Any) -> None:
    for k in (1, 2, 3, 4):
        assert torch.equal(top_k(TIED, k), theirs.TopKLogitsWarper(k)(None, TIED[None])[0])


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9, 0.99, 1.0])
def test_top_p(theirs: Any, p: float) -> None:
    for row in ROWS:
        assert torch.equal(top_p(row, p), processed(theirs.TopPLogitsWarper(p), row))


@pytest.mark.parametrize("options", [
    {"temperature": 0.7, "top_k": 50, "top_p": 0.9, "repetition_penalty": 1.2},
    {"temperature": 1.5, "top_k": 3}, {"temperature": 0.3, "top_p": 0.6}, {"repetition_penalty": 1.5},
])  # fmt: skip
def test_all_rules_one_after_the_other(theirs: Any, options: dict[str, Any]) -> None:
    """The distribution that is drawn from is transformers': the same draws with the same random numbers."""
    made = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "repetition_penalty": 1.0, **options}
    chain = [theirs.RepetitionPenaltyLogitsProcessor(made["repetition_penalty"]),
             theirs.TemperatureLogitsWarper(made["temperature"])]  # fmt: skip
    chain += [theirs.TopKLogitsWarper(made["top_k"])] if made["top_k"] else []
    chain += [theirs.TopPLogitsWarper(made["top_p"])] if made["top_p"] < 1 else []
    for seed, row in enumerate(ROWS):
        expected = row
        for processor in chain:
            expected = processed(processor, expected)
        drawn = torch.multinomial(expected.softmax(-1), 1, generator=torch.Generator().manual_seed(seed))
        assert Sampling(**options).choose(row, SEEN, torch.Generator().manual_seed(seed)) == int(drawn)


# By definition, whether transformers is there or not.


def test_temperature_zero_takes_the_likeliest() -> None:
    for row in ROWS:
        assert Sampling(temperature=0).choose(row, SEEN, torch.Generator()) == int(row.argmax())
    assert Sampling(temperature=0).choose(TIED, SEEN, torch.Generator()) == 1, "the first of several"
    likely = torch.tensor([2.0, 3.0, -1.0])
    assert Sampling(temperature=0, repetition_penalty=2.0).choose(likely, torch.tensor([1]), torch.Generator()) == 0


def test_a_penalty_makes_positive_and_negative_logits_smaller_and_touches_no_other() -> None:
    out = penalised(torch.tensor([2.0, -2.0, 1.0]), torch.tensor([0, 1, 1]), 2.0)
    assert out.tolist() == [1.0, -4.0, 1.0]


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    for p, kept in ((0.4, 1), (0.6, 2), (0.79, 2), (0.9, 3), (0.97, 4)):
        assert int(top_p(logits, p).isfinite().sum()) == kept


def test_draws_follow_the_distribution() -> None:
    logits, draws = torch.tensor([0.2, 0.5, 0.3]).log(), torch.Generator().manual_seed(0)
    counts = torch.bincount(torch.tensor([Sampling().choose(logits, SEEN[:0], draws) for _ in range(4000)]))
    torch.testing.assert_close(counts / 4000, torch.tensor([0.2, 0.5, 0.3]), atol=0.03, rtol=0)


@pytest.mark.parametrize("wrong", [
    {"temperature": -0.1}, {"temperature": float("nan")}, {"temperature": float("inf")}, {"top_k": -1}, {"top_p": 0.0},
    {"top_p": 1.1}, {"repetition_penalty": 0.0}, {"temperature": 1e-38}, {"temperature": 1e-7}, {"temperature": 1e38},
    {"repetition_penalty": 1e-40}, {"repetition_penalty": 1e39}, {"repetition_penalty": float("inf")},
])  # fmt: skip
def test_values_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=f"{next(iter(wrong))} must"):
        Sampling(**wrong)


@pytest.mark.parametrize("temperature", [1e-6, 1e6])
@pytest.mark.parametrize("penalty", [1e-6, 1e6])
def test_at_the_ends_of_its_ranges_a_token_is_drawn(temperature: float, penalty: float) -> None:
    """Also of logits that are far apart, and of special tokens, which are out of question."""
    logits = torch.tensor([1e4, -1e4, 30.0, -30.0, -torch.inf])
    for options in ({}, {"top_k": 3}, {"top_p": 0.9}):
        made = Sampling(temperature=temperature, repetition_penalty=penalty, **options)
        assert made.choose(logits, torch.arange(4), torch.Generator().manual_seed(0)) < 4
