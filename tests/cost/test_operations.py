"""Counts by hand: an (M, K) @ (K, N) product is 2·M·K·N operations."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from swarmformer.cost import counted_flops

B, N, D, H, K = 2, 6, 8, 2, 3
ATTENTION = 4 * B * N * N * D  # scores and weighted sum; the heads share out D


class FusedAttention(nn.Module):
    def forward(self, x_BND):
        x_BHNE = x_BND.unflatten(-1, (H, D // H)).transpose(1, 2)
        return F.scaled_dot_product_attention(x_BHNE, x_BHNE, x_BHNE)


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(D, H, batch_first=True)

    def forward(self, x_BND):
        return self.attention(x_BND, x_BND, x_BND)[0]


class AttentionPooling(nn.Module):
    """Scores by a matrix-vector product, as ``x @ w`` gives it."""

    def __init__(self):
        super().__init__()
        self.w_D = nn.Parameter(torch.ones(D))

    def forward(self, x_BND):
        return torch.einsum("bn,bnd->bd", (x_BND @ self.w_D).softmax(-1), x_BND)


class LearnedQueries(nn.Module):
    """A view of a parameter enters a submodule: torch's counter alone fails on it."""

    def __init__(self):
        super().__init__()
        self.query_KD = nn.Parameter(torch.ones(K, D))
        self.linear = nn.Linear(D, D)

    def forward(self, x_BND):
        return self.linear(self.query_KD.expand(len(x_BND), -1, -1))


class DepthwiseConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv1d(D, D, kernel_size=3, padding=1, groups=D)

    def forward(self, x_BND):
        return self.convolution(x_BND.transpose(1, 2))


CASES = {
    "linear": (lambda: nn.Linear(D, K), 2 * B * N * D * K),
    "mlp": (lambda: nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D)), 2 * 2 * B * N * D * 4 * D),
    "elementwise": (lambda: nn.LayerNorm(D), 0),
    "fused attention": (FusedAttention, ATTENTION),
    "multi-head attention": (SelfAttention, 2 * B * N * D * 4 * D + ATTENTION),
    "encoder layer": (
        lambda: nn.TransformerEncoderLayer(D, H, dim_feedforward=4 * D, batch_first=True),
        2 * B * N * D * 4 * D + ATTENTION + 2 * 2 * B * N * D * 4 * D,
    ),
    "attention pooling": (AttentionPooling, 2 * B * N * D + 2 * B * N * D),
    "learned queries": (LearnedQueries, 2 * B * K * D * D),
    "depthwise convolution": (DepthwiseConvolution, 2 * B * N * D * 3),
}


@pytest.mark.parametrize("case", CASES)
def test_hand_count(case, dims, wrap):
    make, expected = CASES[case]
    assert counted_flops(wrap(dims, make()), B, N) == expected


def test_dot_product_of_vectors(dims, wrap):
    class Dot(nn.Module):
        def forward(self, x_BND):
            return torch.dot(x_BND[0, 0], x_BND[0, 1])

    assert counted_flops(wrap(dims, Dot()), B, N) == 2 * D


def test_leaves_no_trace(dims, wrap):
    model = wrap(dims, nn.Sequential(nn.Linear(D, D), nn.Dropout(0.5)))
    model.body[0].eval()
    model.body[0].bias.requires_grad_(False)
    fast_path, state = torch.backends.mha.get_fastpath_enabled(), torch.get_rng_state()
    counted_flops(model, B, N)
    assert torch.backends.mha.get_fastpath_enabled() == fast_path
    assert torch.equal(torch.get_rng_state(), state)
    assert [model.training, model.body[0].training, model.body[1].training] == [True, False, True]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [name for name, parameter in model.named_parameters() if not parameter.requires_grad] == ["body.0.bias"]


def test_counts_on_cpu_what_the_plain_counter_misses(dims, wrap):
    """The reason for the math form: were the plain counter right one day, it could go."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as plain, torch.no_grad():
        FusedAttention()(torch.randn(B, N, D))
    assert plain.get_total_flops() < ATTENTION == counted_flops(wrap(dims, FusedAttention()), B, N)
