"""The reference: matrices and a softmax, written out for reading. Time and memory grow with N·M."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.ops.attention.masks import distances, past, relative_bias, usable_keys


def plain(
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
    """See ``attend``. Half precision is computed in fp32 and rounded once."""
    weights_BHNM = attention_weights(q_BHND, k_BHMD, mask_BM, signal_BM, window, bias_HR, causal)
    return (F.dropout(weights_BHNM, dropout_p) @ v_BHMD.to(weights_BHNM.dtype)).to(v_BHMD.dtype)


def attention_weights(
    q_BHND: Tensor,
    k_BHMD: Tensor,
    mask_BM: Tensor | None = None,
    signal_BM: Tensor | None = None,
    window: int | None = None,
    bias_HR: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """How much each query takes of each key, [B, H, N, M], in fp32 or better; zero where it may not look."""
    scores_BHNM, allowed_BHNM = _scores(q_BHND, k_BHMD, mask_BM, signal_BM, window, bias_HR, causal)
    return scores_BHNM.softmax(dim=-1).masked_fill(~allowed_BHNM, 0.0)


def log_total(q_BHND: Tensor, k_BHMD: Tensor, mask_BM: Tensor | None, signal_BM: Tensor | None) -> Tensor:
    """Logarithm of what each query's weights are divided by, [B, H, N], in fp32 or better; −∞ where it may look at no
    key."""
    scores_BHNM, allowed_BHNM = _scores(q_BHND, k_BHMD, mask_BM, signal_BM)
    return scores_BHNM.masked_fill(~allowed_BHNM, float("-inf")).logsumexp(dim=-1)


def _scores(
    q_BHND: Tensor,
    k_BHMD: Tensor,
    mask_BM: Tensor | None,
    signal_BM: Tensor | None,
    window: int | None = None,
    bias_HR: Tensor | None = None,
    causal: bool = False,
) -> tuple[Tensor, Tensor]:
    """Scores, the least finite number where a query may not look, and where it may, [B, H, N, M]."""
    dtype = torch.promote_types(q_BHND.dtype, torch.float32)
    q_BHND, k_BHMD = q_BHND.to(dtype), k_BHMD.to(dtype)
    N, M = q_BHND.shape[-2], k_BHMD.shape[-2]
    usable_BM, signal_BM = usable_keys(mask_BM, signal_BM)

    scores_BHNM = q_BHND @ k_BHMD.transpose(-2, -1) / math.sqrt(q_BHND.shape[-1])
    if signal_BM is not None:
        scores_BHNM = scores_BHNM + signal_BM[:, None, None, :]
    if bias_HR is not None:
        scores_BHNM = scores_BHNM + relative_bias(bias_HR, distances(N, M, q_BHND.device))

    allowed_BHNM = dense_mask(usable_BM, window, N, M, q_BHND.device)
    if causal:
        allowed_BHNM = allowed_BHNM & past(N, M, q_BHND.device)
    # The least finite number and not −∞: a row without any allowed key is then even, not NaN, and zeroed below.
    return scores_BHNM.masked_fill(~allowed_BHNM, torch.finfo(scores_BHNM.dtype).min), allowed_BHNM


def dense_mask(usable_BM: Tensor | None, window: int | None, N: int, M: int, device: torch.device) -> Tensor:
    """True where a query may look at a key; [B or 1, 1, N, M]."""
    allowed = torch.ones(1, 1, N, M, dtype=torch.bool, device=device)
    if usable_BM is not None:
        allowed = allowed & usable_BM[:, None, None, :]
    if window is not None:
        allowed = allowed & (distances(N, M, device).abs() <= window)
    return allowed
