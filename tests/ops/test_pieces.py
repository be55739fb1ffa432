"""Batches in pieces: every text once, none longer than need be, and the same answers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import swarmformer
from swarmformer.ops.pieces import evaluated, pieces
from swarmformer.ops.switch import use_fast
from tests.helpers import assert_close, prefix_mask

TOKENS = 3072


@given(lengths=st.lists(st.integers(0, 900), min_size=1, max_size=40), trimmed=st.booleans())
def test_every_text_once_and_whole(lengths: list[int], trimmed: bool) -> None:
    N = max(*lengths, 1)
    mask = prefix_mask(lengths, N)
    cut = list(pieces(torch.zeros(len(lengths), N, dtype=torch.int64), mask, trimmed, TOKENS))
    rows = torch.cat([piece.rows_b for piece in cut])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    for piece in cut:
        longest = max(lengths[row] for row in piece.rows_b)
        assert piece.length == (max(longest, 1) if trimmed else N)
        assert len(piece.rows_b) * piece.length <= max(TOKENS, piece.length)


def test_holes_in_the_mask_are_kept() -> None:
    mask = torch.tensor([[True, False, True, False], [False, False, False, False]])
    lengths = {int(row): piece.length for piece in pieces(mask.long(), mask, True, TOKENS) for row in piece.rows_b}
    assert lengths[0] == 3


def test_answers_come_back_in_order() -> None:
    ids = torch.arange(40).unsqueeze(1).expand(40, 700)
    mask = prefix_mask([(7 * i) % 700 for i in range(40)], 700)
    sizes: list[int] = []

    def first(ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        sizes.append(len(ids))
        return ids[:, :1]

    for trimmed in (True, False):
        for chosen in (mask, None):
            with torch.no_grad():
                assert evaluated(first, ids, chosen, trimmed).flatten().tolist() == list(range(40))
    assert max(sizes) < 40
    assert evaluated(first, ids, mask, True).equal(ids[:, :1]) and sizes[-1] == 40, "whole where gradients are recorded"


SMALL = {"d_model": 16, "vocab_size": 40, "seq_len": 512}


@pytest.mark.parametrize("variant", ["original_small", "base", "enhanced", "transformer", "cnn", "lumenspark"])
def test_model_gives_the_same_in_pieces(variant: str) -> None:
    """Twenty texts of up to 512 tokens are several pieces; whole and with gradients they are one batch."""
    torch.manual_seed(0)
    model = swarmformer.build_model(variant, dims=SMALL).eval()
    ids, mask = torch.randint(40, (20, 512)), prefix_mask([512, *range(1, 504, 27)], 512)
    whole = model(ids, mask)
    with torch.inference_mode():
        assert_close("in pieces", whole.detach(), model(ids, mask), atol=1e-5)
        with use_fast(False):
            assert_close("plain", whole.detach(), model(ids, mask), atol=1e-5)


def test_no_texts_have_no_answers() -> None:
    model = swarmformer.build_model("base", dims=SMALL).eval()
    ids = torch.zeros(0, 8, dtype=torch.int64)
    for fast in (True, False):
        with torch.inference_mode(), use_fast(fast):
            assert model(ids, ids == 0).shape == (0, 2)


def test_model_that_answers_at_tokens_keeps_the_length() -> None:
    model = swarmformer.build_model("base", dims=SMALL, pooling="tokens").eval()
    ids, mask = torch.randint(40, (9, 512)), prefix_mask([5] * 9, 512)
    whole = model(ids, mask)
    with torch.inference_mode():
        assert_close("in pieces", whole.detach(), model(ids, mask), atol=1e-5)
