"""Windows on a CPU: matrix products and a softmax, piece by piece of what fits the cache, with a backward of its own.

Fused attention copies the keys of each block three times, and its masks are steps over all scores that a CPU takes
one by one. Here keys are overlapping views (see ``band_layout``); window, position bias, padding and signals are
numbers that are added to the scores; buffers are used again for every piece; and the backward pass computes the
weights anew instead of keeping them, so that between the passes nothing is kept but what came in.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from swarmformer.ops.attention.band_passes import BandBackward, BandForward, by_token
from swarmformer.ops.attention.band_scores import Band, dropped, kept_weights
from swarmformer.ops.attention.masks import usable_keys


def banded(
    q_BHND: Tensor,
    k_BHND: Tensor,
    v_BHND: Tensor,
    mask_BN: Tensor | None,
    signal_BN: Tensor | None,
    window: int | None,
    bias_HR: Tensor | None,
    dropout_p: float,
) -> Tensor:
    """See ``attend``. Half precision is computed in fp32 and rounded once. No second derivative."""
    assert window is not None, "choice.py keeps calls without a window away from here"
    usable_BN, signal_BN = usable_keys(mask_BN, signal_BN)
    out: Tensor = _Banded.apply(q_BHND, k_BHND, v_BHND, usable_BN, signal_BN, bias_HR, window, dropout_p)
    return out


class _Banded(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q_BHND: Tensor,
        k_BHND: Tensor,
        v_BHND: Tensor,
        usable_BN: Tensor | None,
        signal_BN: Tensor | None,
        bias_HR: Tensor | None,
        window: int,
        dropout_p: float,
    ) -> Tensor:
        band = Band.of(q_BHND, usable_BN, signal_BN, bias_HR, window)
        forward = BandForward(band, q_BHND, k_BHND, v_BHND)
        out_BHND, kept = by_token(v_BHND), []
        for piece in band.layout.pieces():
            weights = forward.weights(piece)
            if dropout_p:
                kept.append(kept_weights(weights, dropout_p))
                dropped(weights, kept[-1], dropout_p)
            forward.answer(piece, weights, out_BHND)
        ctx.save_for_backward(q_BHND, k_BHND, v_BHND, usable_BN, signal_BN, bias_HR, *kept)
        ctx.window, ctx.dropout_p = window, dropout_p
        return out_BHND

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_BHND: Tensor) -> tuple[Tensor | None, ...]:
        q_BHND, k_BHND, v_BHND, usable_BN, signal_BN, bias_HR, *kept = ctx.saved_tensors
        band = Band.of(q_BHND, usable_BN, signal_BN, bias_HR, ctx.window)
        backward = BandBackward(band, q_BHND, k_BHND, v_BHND, grad_BHND, ctx.needs_input_grad)
        for number, piece in enumerate(band.layout.pieces()):
            backward.add(piece, kept[number] if kept else None, ctx.dropout_p)
        return (*backward.gradients(signal_BN, bias_HR), None, None)
