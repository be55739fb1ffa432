"""PyTorch's fused attention; windows as chunks (see ``chunks``)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.ops.attention.chunks import band, block_distances, joined, key_blocks, key_values, query_blocks
from swarmformer.ops.attention.masks import past, relative_bias, usable_keys

MOST_DROPPED = 65_535
"""Texts that torch's kernel for masks takes at once on a GPU where it drops weights."""


def sdpa(
    q_BHND: Tensor,
    k_BHMD: Tensor,
    v_BHMD: Tensor,
    mask_BM: Tensor | None,
    signal_BM: Tensor | None,
    window: int | None,
    bias_HR: Tensor | None,
    dropout_p: float,
    causal: bool = False,
) -> Tensor:
    """See ``attend``."""
    usable_BM, signal_BM = usable_keys(mask_BM, signal_BM)
    if window is not None:
        return _windowed(q_BHND, k_BHMD, v_BHMD, usable_BM, signal_BM, window, bias_HR, dropout_p)
    N, M = q_BHND.shape[2], k_BHMD.shape[2]
    causal = causal and N > 1  # the last of all sees everything
    if usable_BM is None and (not causal or N == M):
        return F.scaled_dot_product_attention(q_BHND, k_BHMD, v_BHMD, dropout_p=dropout_p, is_causal=causal)
    signal = None if signal_BM is None else signal_BM[:, None, None, :]
    allowed = past(N, M, q_BHND.device)[None, None] if causal else None
    if usable_BM is not None:
        usable = usable_BM[:, None, None, :]
        allowed = usable if allowed is None else allowed & usable
    assert allowed is not None, "a call without any mask is answered above"
    return _masked(q_BHND, k_BHMD, v_BHMD, allowed, signal, dropout_p)


def _windowed(
    q_BHND: Tensor,
    k_BHND: Tensor,
    v_BHND: Tensor,
    usable_BN: Tensor | None,
    signal_BN: Tensor | None,
    window: int,
    bias_HR: Tensor | None,
    dropout_p: float,
) -> Tensor:
    N = q_BHND.shape[2]
    if usable_BN is None:
        usable_BN = q_BHND.new_ones(1, N).bool()
    added = None if signal_BN is None else key_values(signal_BN.to(q_BHND.dtype), window)
    if bias_HR is not None:
        bias = relative_bias(bias_HR, block_distances(window, q_BHND))[:, None].to(q_BHND.dtype)
        added = bias if added is None else bias + added
    blocks = (query_blocks(q_BHND, window), key_blocks(k_BHND, window), key_blocks(v_BHND, window))
    return joined(_masked(*blocks, band(window, usable_BN), added, dropout_p), N)


def _masked(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor, added: Tensor | None, dropout_p: float) -> Tensor:
    """Attention under a mask and an optional addition to the scores, both broadcast over [..., queries, keys]."""
    # What fused kernels make of a row without any allowed key differs: let it look everywhere, and put zero in place.
    nobody = ~allowed.any(dim=-1, keepdim=True)
    mask = allowed | nobody
    if added is not None:
        mask = added.to(q.dtype).masked_fill(~mask, float("-inf"))
    if torch.compiler.is_exporting() and q.ndim > 4:
        return _as_written(q, k, v, mask).masked_fill(nobody, 0.0)
    if q.ndim > 4:
        return _of_blocks(q, k, v, mask, dropout_p).masked_fill(nobody, 0.0)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p).masked_fill(nobody, 0.0)


def _of_blocks(q_BHGWD: Tensor, k_BHGMD: Tensor, v_BHGMD: Tensor, mask: Tensor, dropout_p: float) -> Tensor:
    """Blocks as texts of their own: fused kernels take four dimensions, and with five torch takes none of them.

    mask: broadcast over [B, H, G, W, M].
    """
    B, _, G, W, _ = q_BHGWD.shape
    q, k, v = (part.transpose(1, 2).flatten(0, 1) for part in (q_BHGWD, k_BHGMD, v_BHGMD))
    by_block = mask.expand(B, mask.shape[1], G, W, mask.shape[-1]).transpose(1, 2).flatten(0, 1)
    if dropout_p and len(q) > MOST_DROPPED:
        parts = zip(*(part.split(MOST_DROPPED) for part in (q, k, v, by_block)), strict=True)
        mixed = torch.cat([
            F.scaled_dot_product_attention(q, k, v, attn_mask=own, dropout_p=dropout_p) for q, k, v, own in parts
        ])  # fmt: skip
    else:
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=by_block, dropout_p=dropout_p)
    return mixed.unflatten(0, (B, G)).transpose(1, 2)


def _as_written(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """For blocks of heads of texts, where exporters know the operation with four dimensions alone; no dropout."""
    scores = q @ k.mT * q.shape[-1] ** -0.5
    scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(dim=-1) @ v
