"""What the GPU back ends would be told, looked at on a CPU and held against the plain mask."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_mask

from swarmformer.ops.attention.flex import BLOCK, mask_mod, score_mod, window_blocks
from swarmformer.ops.attention.masks import usable_keys
from swarmformer.ops.attention.plain import dense_mask
from swarmformer.ops.attention.xformers_ops import window_bias
from tests.helpers import assert_close

INFINITY = float("inf")
CPU = torch.device("cpu")
LENGTH, WINDOW = st.integers(1, 40), st.integers(1, 50)


@settings(deadline=None)
@given(N=LENGTH, window=WINDOW)
def test_window_of_xformers(N: int, window: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a GPU when imported
        pytest.importorskip("xformers.ops.fmha.attn_bias", reason="needs xformers: install the extra 'dev' on Linux")
    added = window_bias(window).materialize((1, 1, N, N))
    assert torch.equal(added == 0, dense_mask(None, window, N, N, CPU))
    assert torch.equal(added == -INFINITY, ~dense_mask(None, window, N, N, CPU))


def test_no_window_is_no_bias_for_xformers() -> None:
    assert window_bias(None) is None


def test_no_back_end_is_handed_an_infinite_signal() -> None:
    """Kernels differ in what they make of a row of −∞."""
    mask, signal = torch.tensor([[True, True, False]]), torch.tensor([[-INFINITY, 0.5, -INFINITY]])
    usable, finite = usable_keys(mask, signal)
    assert usable is not None and usable.tolist() == [[False, True, False]]
    assert finite is not None and finite.tolist() == [[0.0, 0.5, 0.0]]
    assert usable_keys(mask, None) == (mask, None)


@settings(deadline=None)
@given(N=LENGTH, M=LENGTH, window=st.none() | WINDOW, seed=st.integers(0, 9), masked=st.booleans())
def test_mask_of_flex(N: int, M: int, window: int | None, seed: int, masked: bool) -> None:
    M = N if window is not None else M
    usable = torch.rand(2, M, generator=torch.Generator().manual_seed(seed)) > 0.5 if masked else None
    found = create_mask(mask_mod(usable, window), 2, 3, N, M, device=CPU)
    assert torch.equal(found, dense_mask(usable, window, N, M, CPU).expand(2, 3, N, M))


@pytest.mark.parametrize("with_signal", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
def test_score_of_flex(with_signal: bool, with_bias: bool) -> None:
    B, H, N, window = 2, 3, 9, 2
    signal = torch.randn(B, N) if with_signal else None
    bias = torch.randn(H, 2 * window + 1) if with_bias else None
    changed = score_mod(signal, bias)
    if changed is None:
        assert signal is None and bias is None
        return
    for b, h, q, k in torch.cartesian_prod(*(torch.arange(size) for size in (B, H, N, N))):
        expected = torch.tensor(0.5)
        if signal is not None:
            expected = expected + signal[b, k]
        if bias is not None and abs(k - q) <= window:
            expected = expected + bias[h, k - q + window]
        elif bias is not None:
            continue  # masked: whatever it is, it must only exist
        assert_close("score", expected, changed(torch.tensor(0.5), b, h, q, k), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(N=st.integers(1, 700), M=st.integers(1, 700), window=st.none() | st.integers(1, 800))
@example(N=300, M=300, window=1)  # where one token more or less is one block more or less
@example(N=600, M=600, window=128)
@example(N=600, M=600, window=129)
def test_blocks_of_flex_are_those_that_the_window_touches(N: int, M: int, window: int | None) -> None:
    M = N if window is not None else M
    mod = mask_mod(None, window)
    blocks = window_blocks(N, M, window, mod, CPU)
    rows, columns = -(-N // BLOCK), -(-M // BLOCK)
    padded = torch.zeros(rows * BLOCK, columns * BLOCK, dtype=torch.bool)
    padded[:N, :M] = dense_mask(None, window, N, M, CPU)[0, 0]
    touched = padded.view(rows, BLOCK, columns, BLOCK).any(dim=3).any(dim=1)
    listed = blocks.to_dense()[0, 0].bool()
    assert (listed | ~touched).all(), "a block with allowed pairs is skipped"
    # The last rows may be short: their blocks are found as if they were whole.
    assert torch.equal(listed[:-1], touched[:-1])
    assert blocks.shape[-2:] == (N, M)
