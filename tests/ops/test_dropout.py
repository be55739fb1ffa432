"""Dropout from raw bits: its distribution, its gradient, and what it shares with PyTorch's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.ops.dropout import Dropout, dropout
from swarmformer.ops.dropout.cpu import STEPS
from swarmformer.ops.switch import use_fast


@pytest.mark.parametrize("p", [1e-4, 0.1, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_elements_are_dropped_at_their_rate_and_the_rest_is_scaled(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    n, chance = 400_000, round(p * STEPS) / STEPS
    out = dropout(torch.ones(n, dtype=dtype), p)
    kept = out[out != 0]
    assert torch.equal(kept, torch.full_like(kept, 1 / (1 - chance)))
    deviation = math.sqrt(n * chance * (1 - chance))
    assert abs((n - len(kept)) - n * chance) < 5 * deviation


def test_neighbouring_elements_and_calls_are_independent() -> None:
    """Sixteen-bit lanes of one word, and masks of two calls: no correlation beyond five standard errors."""
    torch.manual_seed(1)
    n, p = 2**20, 0.3
    first, second = (dropout(torch.ones(n), p).ne(0).double() for _ in range(2))
    pairs = [(first[:-lag], first[lag:]) for lag in (1, 2, 3, 4, 8, 192)]
    for left, right in [*pairs, (first, second)]:
        correlation = torch.corrcoef(torch.stack([left, right]))[0, 1]
        assert abs(float(correlation)) < 5 / math.sqrt(len(left))


def test_every_lane_uses_all_its_bits() -> None:
    """At p = 1/2 the sign alone would do; a small p tells whether the lower bits are random, lane by lane."""
    torch.manual_seed(2)
    n, p = 2**22, 1 / 1024
    dropped = dropout(torch.ones(n), p).eq(0).view(-1, 4).double().mean(dim=0)
    error = math.sqrt(p * (1 - p) / (n / 4))
    assert (dropped - p).abs().max() < 5 * error, dropped


def test_gradient_passes_where_the_value_did() -> None:
    torch.manual_seed(3)
    x = torch.randn(50, 7, requires_grad=True)
    out = dropout(x, 0.4)
    out.backward(torch.ones_like(out))
    assert x.grad is not None
    torch.testing.assert_close(x.grad * x, out, rtol=0, atol=0)


def test_not_contiguous_input_and_gradient() -> None:
    torch.manual_seed(4)
    x = torch.randn(6, 5, 4, requires_grad=True)
    out = dropout(x.transpose(0, 2), 0.4)
    gradient = torch.randn(6, 5, 4).transpose(0, 2)
    (out * gradient).sum().backward()
    scale = torch.where(out == 0, 0.0, STEPS / (STEPS - round(0.4 * STEPS)))
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (scale * gradient).transpose(0, 2))


def test_seed_and_restored_state_repeat_the_masks() -> None:
    x = torch.ones(1000)
    torch.manual_seed(5)
    first, state = dropout(x, 0.3), torch.get_rng_state()
    second = dropout(x, 0.3)
    torch.set_rng_state(state)
    assert torch.equal(second, dropout(x, 0.3)) and not torch.equal(first, second)
    torch.manual_seed(5)
    assert torch.equal(first, dropout(x, 0.3))


@pytest.mark.parametrize("x", [torch.ones(0), torch.ones(3, 0, 2), torch.ones(1), torch.tensor(2.0), torch.ones(13)])
def test_any_shape(x: Tensor) -> None:
    assert dropout(x, 0.5).shape == x.shape


def test_nothing_and_everything() -> None:
    x = torch.randn(9)
    assert dropout(x, 0.0) is x and dropout(x, 0.3, training=False) is x
    assert torch.equal(dropout(x, 1.0), torch.zeros(9)) and torch.equal(dropout(x, 1 - 1e-9), torch.zeros(9))


def test_module_is_a_dropout_and_follows_the_switch() -> None:
    module, x = Dropout(0.3), torch.ones(500)
    assert isinstance(module, nn.Dropout) and module.eval()(x) is x
    module.train()
    with use_fast(False):
        torch.manual_seed(6)
        plain = module(x)
    torch.manual_seed(6)
    assert torch.equal(plain, F.dropout(x, 0.3))
    torch.manual_seed(6)
    assert not torch.equal(module(x), plain), "the switch changes nothing: the fast path was not taken"
