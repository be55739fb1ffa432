"""The windows of a CPU, piece by piece: where pieces meet, what is kept, and derivatives against differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from swarmformer.ops.attention import attend, band_layout, use_backend
from swarmformer.ops.attention.band_layout import Layout
from tests.helpers import assert_close
from tests.ops.attention.calls import Call, make

PIECES = [1, 31_000, 62_000]


@pytest.fixture(params=PIECES, ids=["stretches", "one by one", "some texts"])
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Pieces of stretches of a text, of one text, and of two."""
    monkeypatch.setattr(band_layout, "PIECE", request.param)
    yield request.param


def mixed(N: int, window: int, B: int = 3) -> Call:
    """With everything: a mask that leaves a text empty and makes some queries lonely, signals, some −∞, and a bias."""
    generator = torch.Generator().manual_seed(1)
    mask = torch.rand(B, N, generator=generator) > 0.3
    mask[0], mask[1, N // 3 : N // 3 + 3 * window] = False, False
    call = make(B, 2, N, E=4, window=window, mask=mask, signal=True, bias=True)
    assert call.signal is not None
    silent = torch.rand(B, N, generator=generator) > 0.8
    return replace(call, signal=call.signal.masked_fill(silent, float("-inf"))).to(torch.float64)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(("N", "window"), [(300, 3), (300, 16), (257, 20), (129, 1), (40, 16)])
def test_where_pieces_meet_nothing_is_lost_or_counted_twice(N: int, window: int) -> None:
    call = mixed(N, window)
    with use_backend("plain"):
        expected = {"out": call.attend(), **call.gradients()}
    with use_backend("banded"):
        found = {"out": call.attend(), **call.gradients()}
    assert found.keys() == expected.keys()
    for name in expected:
        assert_close(name, expected[name], found[name], atol=1e-10)


def test_the_pieces_of_that_test_are_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = []
    for piece in PIECES:
        monkeypatch.setattr(band_layout, "PIECE", piece)
        layout = Layout.of(3, 2, 300, 16)
        kinds.append((layout.stretch, layout.texts))
    assert kinds == [(128, 1), (300, 1), (300, 2)]


@pytest.mark.parametrize(("B", "H", "N", "reach"), [(1, 1, 1, 1), (5, 3, 70, 16), (2, 8, 9_000, 16), (3, 4, 900, 64)])
def test_every_token_is_answered_once_and_its_neighbours_are_there(B: int, H: int, N: int, reach: int) -> None:
    layout = Layout.of(B, H, N, reach)
    answered, seen_first = torch.zeros(B, N), torch.zeros(B, N)
    for piece in layout.pieces():
        answered[piece.texts, piece.own] += 1
        seen_first[piece.texts, layout.overlap(piece)[1]] += 1
        assert piece.seen.start <= max(0, piece.own.start - reach) and piece.seen.stop >= min(N, piece.own.stop + reach)
        assert piece.rows(piece.seen).start >= 0 and piece.rows(piece.seen).stop <= layout.pitch
        assert layout.pitch - piece.rows(piece.own).stop >= reach, "the next sequence would be seen"
    assert (answered == 1).all() and (seen_first == 1).all()


def test_memory_of_a_piece_does_not_grow_with_the_text() -> None:
    short, long = Layout.of(8, 4, 8_192, 16), Layout.of(8, 4, 1_000_000, 16)
    assert long.blocks <= short.blocks and long.texts * long.stretch < 8_192


@pytest.mark.parametrize("window", [2, 16])
def test_its_derivatives_are_those_of_the_function(window: int) -> None:
    """Against differences, in float64, with a text without tokens and signals of −∞."""
    mask = torch.tensor([[True, False, True, True, True], [False] * 5])
    call = make(E=3, N=5, window=window, mask=mask, signal=True, bias=True).to(torch.float64)
    assert call.signal is not None and call.bias is not None

    def attended(*tensors: torch.Tensor) -> torch.Tensor:
        q, k, v, signal, bias = tensors
        silenced = signal.masked_fill(torch.tensor([True, False, False, False, False]), float("-inf"))
        with use_backend("banded"):
            return attend(q, k, v, mask_BM=mask, signal_BM=silenced, window=window, bias_HR=bias)

    assert torch.autograd.gradcheck(attended, tuple(call.learned().tensors().values()))


@pytest.mark.usefixtures("small_pieces")
def test_the_backward_pass_drops_what_the_forward_pass_dropped() -> None:
    """With unit vectors as values the result is the dropped weights W; the gradient of v under it is Wᵀ g."""
    N, p = 40, 0.4
    call = make(3, 2, N, E=N, window=16, bias=True).to(torch.float64)
    call = replace(call, v=torch.eye(N, dtype=torch.float64).expand(3, 2, N, N)).learned()
    with use_backend("plain"):
        weights = call.attend()
    torch.manual_seed(0)
    with use_backend("banded"):
        dropped = call.attend(dropout_p=p)
    g = torch.randn(dropped.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    dropped.backward(g)
    assert call.v.grad is not None and call.q.grad is not None
    assert_close("v", dropped.detach().transpose(-2, -1) @ g, call.v.grad, atol=1e-10)
    factor = (dropped != 0).double() / (1 - round(p * 2**16) / 2**16)
    (expected,) = torch.autograd.grad(weights * factor, call.q, g)
    assert_close("q", expected, call.q.grad, atol=1e-10)


def test_two_calls_drop_other_weights_and_a_seed_repeats_them() -> None:
    call = make(N=60, window=16)

    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        with use_backend("banded"):
            return torch.stack([call.attend(dropout_p=0.5), call.attend(dropout_p=0.5)])

    first, second = drawn(1), drawn(1)
    assert torch.equal(first, second) and not torch.equal(first[0], first[1])


@pytest.mark.parametrize("p", [1e-9, 1.0])
def test_dropout_of_nothing_and_of_all(p: float) -> None:
    call = make(window=2).learned()
    with use_backend("banded"):
        out = call.attend(dropout_p=p)
        out.sum().backward()
        assert_close("out", call.attend() if p < 0.5 else torch.zeros_like(out), out, atol=1e-6)
    assert all(tensor.grad is not None and torch.isfinite(tensor.grad).all() for tensor in call.tensors().values())


def test_only_what_is_learned_gets_a_gradient() -> None:
    call = make(window=2, signal=True, bias=True)
    for name, tensor in call.tensors().items():
        alone = {n: t.clone().requires_grad_(n == name) for n, t in call.tensors().items()}
        with use_backend("banded"):
            replace(call, **alone).attend().square().sum().backward()
        assert [n for n, t in alone.items() if t.grad is not None] == [name], tensor.shape


def test_autocast_leaves_fp32_sums_alone() -> None:
    """Under autocast the inputs are rounded to bf16 and the result once: the same as bf16 inputs without it."""
    call = make(N=50, window=16, bias=True)
    with use_backend("banded"):
        rounded = call.to(torch.bfloat16)
        rounded = replace(rounded, bias=call.bias)
        expected = rounded.attend()
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(call.attend(), expected)


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    call = make(window=2).learned()
    with use_backend("banded"):
        (gradient,) = torch.autograd.grad(call.attend().square().sum(), call.q, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
