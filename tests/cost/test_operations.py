"""Counts by hand: an (M, K) @ (K, N) product is 2·M·K·N operations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from swarmformer.contracts import ModelOutput
from swarmformer.cost.operations import backward, counted_flops, counted_training_flops, counting

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


class Fourier(nn.Module):
    def __init__(self, transform):
        super().__init__()
        self.transform = transform

    def forward(self, x_BND):
        return self.transform(x_BND).real


def there_and_back(x_BND):
    """A transform to twice the length and more, as long convolutions take it, and its inverse."""
    return torch.fft.irfft(torch.fft.rfft(x_BND, n=16, dim=1), n=16, dim=1)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(D, D, batch_first=True)

    def forward(self, x_BND):
        return self.lstm(x_BND)[0]


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
    "real transform": (lambda: Fourier(lambda x: torch.fft.rfft(x, dim=1)), round(2.5 * B * D * N * math.log2(N))),
    "real transform and back": (lambda: Fourier(there_and_back), 2 * 5 * B * D * 16 * 4 // 2),
    "complex transform of two dimensions": (lambda: Fourier(torch.fft.fft2), round(5 * B * N * D * math.log2(N * D))),
    "lstm": (Recurrent, 2 * B * N * 2 * D * 4 * D),
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


class OfComplexNumbers(nn.Module):
    """x W as complex numbers, by torch's product of these or by four of real ones."""

    def __init__(self, product):
        super().__init__()
        self.product, self.weight_DD2 = product, nn.Parameter(torch.randn(D, D, 2))

    def forward(self, x_BND):
        return self.product(torch.complex(x_BND, -x_BND), torch.view_as_complex(self.weight_DD2))


def by_real_numbers(product):
    def parts(x, w):
        real = product(x.real, w.real) - product(x.imag, w.imag)
        return real + product(x.real, w.imag) + product(x.imag, w.real)

    return parts


def real_part_of(product):
    return lambda x, w: (found := product(x, w)).real + found.imag


COMPLEX = {
    "mm": torch.matmul,
    "bmm": lambda x, w: torch.bmm(x, w.expand(len(x), -1, -1)),
    "baddbmm": lambda x, w: torch.baddbmm(x, x, w.expand(len(x), -1, -1)),
    "mv": lambda x, w: x @ w[0],
    "einsum": lambda x, w: torch.einsum("bnd,ed->bne", x, w),
}


@pytest.mark.parametrize("count", [counted_flops, counted_training_flops])
@pytest.mark.parametrize("name", COMPLEX)
def test_a_product_of_complex_numbers_is_four_of_real_ones(name, count, dims, wrap):
    product = COMPLEX[name]
    one, four = (OfComplexNumbers(make(product)) for make in (real_part_of, by_real_numbers))
    four.load_state_dict(one.state_dict())
    counts = [count(wrap(dims, module), B, N) for module in (one, four)]
    assert counts[0] == counts[1] > 0


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(D, D)

    def forward(self, x_BND):
        return self.linear(x_BND.detach())


def frozen():
    return nn.Sequential(nn.Linear(D, D).requires_grad_(False), nn.Linear(D, D))


LINEAR = 2 * B * N * D * D
TRAINED = {
    "both operands want a gradient": (lambda: nn.Linear(D, D), 3 * LINEAR),
    "dropout on": (lambda: nn.Sequential(nn.Dropout(0.5), nn.Linear(D, D), nn.Dropout(0.5)), 3 * LINEAR),
    "the input wants none": (Detached, 2 * LINEAR),
    "the weight wants none": (frozen, 2 * LINEAR + 3 * LINEAR),
    "nothing wants any": (lambda: Detached().requires_grad_(False), LINEAR),
    "fused attention": (FusedAttention, 3 * ATTENTION),
    "multi-head attention": (SelfAttention, 3 * (2 * B * N * D * 4 * D + ATTENTION)),
    "learned queries": (LearnedQueries, 3 * 2 * B * K * D * D),
    "depthwise convolution": (DepthwiseConvolution, 3 * 2 * B * N * D * 3),
    "lstm": (Recurrent, 3 * 2 * B * N * 2 * D * 4 * D - 2 * B * D * 4 * D),  # the first state wants no gradient
}


@pytest.mark.parametrize("case", TRAINED)
def test_hand_count_of_a_training_step(case, dims, wrap):
    make, expected = TRAINED[case]
    assert counted_training_flops(wrap(dims, make()), B, N) == expected


def test_a_loss_beside_the_logits_counts(dims, wrap):
    class WithALoss(type(wrap(dims, nn.Linear(D, D)))):
        def detailed(self, ids_BN, mask_BN=None):
            output = super().detailed(ids_BN, mask_BN)
            return ModelOutput(output.logits_BK, {"size": (output.logits_BK @ output.logits_BK.mT).mean()})

    assert counted_training_flops(WithALoss(dims, nn.Linear(D, D)), B, N) == 3 * (LINEAR + 2 * B * N * N * D)


@pytest.mark.parametrize("make", [nn.Conv1d, nn.ConvTranspose1d])
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"dilation": 2}, {"padding": 0}])
def test_a_convolution_with_groups_counts_as_its_parts_do(make, options):
    """torch's own formula for the backward pass is right for one group; several are as many convolutions of one."""
    sizes, x_BDN = {"kernel_size": 3, "padding": 1, **options}, torch.randn(B, D, N, requires_grad=True)
    whole, part, x_of_part = make(D, D, groups=4, **sizes), make(D // 4, D // 4, **sizes), x_BDN[:, : D // 4]

    def step(module, x):
        backward([module(x)], [x, *module.parameters()])

    with counting(whole, training=True) as of_whole:
        step(whole, x_BDN)
    with counting(part, training=True) as of_part:
        step(part, x_of_part)
    with FlopCounterMode(display=False) as plain:
        step(part, x_of_part)
    assert of_whole.get_total_flops() == 4 * of_part.get_total_flops() > 0
    assert of_part.get_total_flops() == plain.get_total_flops()


def test_a_training_step_leaves_no_trace(dims, wrap):
    model = wrap(dims, nn.Sequential(nn.Linear(D, D), nn.Dropout(0.5))).eval()
    state = torch.get_rng_state()
    counted_training_flops(model, B, N)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_what_is_counted_on_the_cpu_starts_no_card(dims, wrap, monkeypatch):
    def start(card):
        pytest.fail("CUDA was started")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", start)
    assert counted_training_flops(wrap(dims, nn.Linear(D, D)), B, N) == 3 * LINEAR


def test_leaves_no_trace(dims, wrap):
    model = wrap(dims, nn.Sequential(nn.Linear(D, D), nn.Dropout(0.5)))
    model.body[0].eval()
    model.body[0].bias.requires_grad_(False)
    fast_path, state = torch.backends.mha.get_fastpath_enabled(), torch.get_rng_state()
    counted_flops(model, B, N)
    assert (torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled) == (fast_path, True)
    assert torch.equal(torch.get_rng_state(), state)
    assert [model.training, model.body[0].training, model.body[1].training] == [True, False, True]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [name for name, parameter in model.named_parameters() if not parameter.requires_grad] == ["body.0.bias"]


def test_counts_on_cpu_what_the_plain_counter_misses(dims, wrap):
    """The reason for the math form: were the plain counter right one day, it could go."""
    with FlopCounterMode(display=False) as plain, torch.no_grad():
        FusedAttention()(torch.randn(B, N, D))
    assert plain.get_total_flops() < ATTENTION == counted_flops(wrap(dims, FusedAttention()), B, N)
