"""The placebo of windowed attention: uniform weights over the real tokens of the window."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from swarmformer.components.local.windowed_attention import WindowedAttention
from swarmformer.contracts import Dims
from swarmformer.cost.operations import counting
from swarmformer.ops.attention import average
from tests.helpers import assert_close

DIMS = Dims(vocab_size=40, d_model=12, num_layers=1, cluster_size=4, seq_len=40, num_classes=2)


def by_hand(v_BHND: Tensor, mask_BN: Tensor, window: int) -> Tensor:
    out = torch.zeros_like(v_BHND)
    N = v_BHND.shape[2]
    for b in range(len(out)):
        for i in range(N):
            near = [j for j in range(N) if abs(i - j) <= window and mask_BN[b, j]]
            if near:
                out[b, :, i] = v_BHND[b][:, near].mean(dim=1)
    return out


@settings(deadline=None)
@given(N=st.integers(1, 20), window=st.integers(1, 24), seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.5, 1.0]))
def test_is_the_mean_of_the_real_tokens_near(N: int, window: int, seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(2, 3, N, 4, generator=generator)
    mask = torch.rand(2, N, generator=generator) < share
    assert_close("masked", by_hand(v, mask, window), average(v, mask_BN=mask, window=window), atol=1e-6)
    everywhere = torch.ones(2, N, dtype=torch.bool)
    assert_close("unmasked", by_hand(v, everywhere, window), average(v, window=window), atol=1e-6)


def test_dropout_drops_single_weights() -> None:
    torch.manual_seed(0)
    B, N, window, p = 300, 12, 3, 0.3
    units = torch.eye(N).expand(B, 1, N, N)
    weights, dropped = average(units, window=window), average(units, window=window, dropout_p=p)
    kept = dropped != 0
    assert_close("kept weights", (weights / (1 - p))[kept], dropped[kept], atol=1e-6)
    possible = int((weights != 0).sum())
    assert 1 - int(kept.sum()) / possible == pytest.approx(p, abs=4 * (p * (1 - p) / possible) ** 0.5)


@pytest.mark.parametrize("heads", [1, 3])
def test_the_component_is_the_mean_of_projected_neighbours(heads: int) -> None:
    torch.manual_seed(0)
    module = WindowedAttention(DIMS, window=4, heads=heads, uniform=True).eval()
    x, mask = torch.randn(2, 11, 12), torch.rand(2, 11) > 0.4
    v, out = module.value, module.out
    mean = by_hand(F.linear(x, v.weight, v.bias)[:, None], mask, 4)[:, 0]
    assert_close("out", x + F.linear(mean, out.weight, out.bias), module(x, mask), atol=1e-5)
    assert {name for name, _ in module.named_parameters()} == {"value.weight", "value.bias", "out.weight", "out.bias"}


def test_the_placebo_is_attention_whose_queries_and_biases_are_zero() -> None:
    """The same parameters, where both have them, give the same numbers: only the weights differ."""
    torch.manual_seed(0)
    placebo, real = (WindowedAttention(DIMS, window=4, heads=3, uniform=uniform).eval() for uniform in (True, False))
    with torch.no_grad():
        real.qkv.weight[:12], real.qkv.bias[:12] = 0, 0
        real.qkv.weight[24:], real.qkv.bias[24:] = placebo.value.weight, placebo.value.bias
    real.out.load_state_dict(placebo.out.state_dict())
    x, mask = torch.randn(2, 11, 12), torch.rand(2, 11) > 0.4
    assert_close("out", real(x, mask), placebo(x, mask), atol=1e-5)


@pytest.mark.parametrize("N", [1, 5, 16, 33])
@pytest.mark.parametrize("uniform", [False, True])
def test_closed_form_of_the_cost(N: int, uniform: bool) -> None:
    module = WindowedAttention(DIMS, window=8, heads=3, uniform=uniform).eval()
    with counting(module) as counter:
        module(torch.zeros(2, N, 12), torch.ones(2, N, dtype=torch.bool))
    assert counter.get_total_flops() == module.flops(2, N)
