"""A text is a text: alone, in a batch, padded, with other texts, without tokens."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import (
    MASKED_SLOTS,
    TENSOR_SLOTS,
    apply,
    inputs,
    lengths_for,
    masks,
    prefix_mask,
    real_rows,
    rows_per_text,
)
from swarmformer.testing.require import assert_close, require


@check(*TENSOR_SLOTS)
def one_text_is_the_same_alone_and_in_a_batch(case: Case) -> None:
    """Without any padding: the other texts of a batch make no difference."""
    component = case.build()
    for N in lengths_for(case):
        x = inputs(case.slot, 3, N)
        with torch.no_grad():
            batch = apply(case.slot, component, x, None)
            for row in range(3):
                alone = apply(case.slot, component, x[row : row + 1], None)
                assert_close(f"length {N}, text {row} alone and in a batch", alone, batch[row : row + 1], atol=1e-5)


@check(*MASKED_SLOTS, of_mask=True)
def one_text_is_the_same_alone_and_padded(case: Case) -> None:
    """A text of any length gives the same alone and at the start of a longer, padded row."""
    component = case.build()
    for length, N in pairwise(lengths_for(case)):
        x = inputs(case.slot, 3, N)
        with torch.no_grad():
            alone = apply(case.slot, component, x[:1, :length], None)
            padded = apply(case.slot, component, x, prefix_mask([length, N, 1], N))[:1]
        padded = padded if rows_per_text(case.slot, component) else padded[:, :length]
        hint = "the result depends on the padded length; if that is meant, set honours_mask = False"
        hint = hint if case.honours_mask else ""
        assert_close(f"{length} tokens alone and padded to {N}", alone, padded, atol=1e-5, hint=hint)


@check(*MASKED_SLOTS, shows_fault=True, or_shown_by=one_text_is_the_same_alone_and_padded)
def pads_do_not_touch_real_tokens(case: Case) -> None:
    """Whatever stands in masked places, also amid the text, the result for real tokens is the same."""
    component = case.build()
    for N in lengths_for(case):
        x, other = inputs(case.slot, 3, N), _other(case.slot, 3, N)
        for words, mask in masks(3, N):
            changed = torch.where(mask if x.dim() == 2 else mask.unsqueeze(-1), x, other)
            with torch.no_grad():
                ours, theirs = (_real(case, component, value, mask) for value in (x, changed))
            assert_close(f"length {N}, {words}: with other pads the result", ours, theirs, atol=1e-6)


def _other(slot: str, B: int, N: int) -> Tensor:
    other = inputs(slot, B, N, seed=9)
    return other * 10 if other.is_floating_point() else other


def _real(case: Case, component: torch.nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    return real_rows(case.slot, component, apply(case.slot, component, x, mask), mask)


@check("pooling", "cluster", "router", of_mask=True)
def texts_without_tokens_give_zero(case: Case) -> None:
    """A pooling, clusters, and what a router pools and sends back."""
    component = case.build()
    for N in lengths_for(case):
        with torch.no_grad():
            out = apply(case.slot, component, inputs(case.slot, 2, N), prefix_mask([0, N], N))
        require(bool((out[0] == 0).all()), f"{N} masked places give up to {float(out[0].abs().max()):.3g}, not zero")
