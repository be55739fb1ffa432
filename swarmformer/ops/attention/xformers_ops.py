"""xformers' memory_efficient_attention; imported only when it is used, for it need not be there."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor


def xformers(
    q_BHND: Tensor,
    k_BHMD: Tensor,
    v_BHMD: Tensor,
    mask_BM: Tensor | None,
    signal_BM: Tensor | None,
    window: int | None,
    bias_HR: Tensor | None,
    dropout_p: float,
) -> Tensor:
    """See ``attend``; without mask, signal and bias, so every query has a key."""
    assert mask_BM is None and signal_BM is None and bias_HR is None, "choice.py keeps masks and biases away from here"
    from xformers.ops import memory_efficient_attention

    by_token = (tensor.transpose(1, 2) for tensor in (q_BHND, k_BHMD, v_BHMD))
    mixed_BNHD = memory_efficient_attention(*by_token, attn_bias=window_bias(window), p=dropout_p)
    return mixed_BNHD.transpose(1, 2)


def window_bias(window: int | None) -> Any:
    """The two-sided window in xformers' words; None: no limit."""
    if window is None:
        return None
    from xformers.ops.fmha.attn_bias import LocalAttentionFromBottomRightMask

    return LocalAttentionFromBottomRightMask(window_left=window, window_right=window)


@cache
def fault(device: torch.device) -> str:
    """Why xformers cannot be used on this device; empty where it can. Imports it.

    Its own operators are asked, with a call as simple as can be: a wheel made for another CUDA than torch's
    imports well and then refuses every call.
    """
    try:
        from xformers.ops.fmha import Inputs, flash
    except ImportError as error:
        return f"xformers cannot be imported ({error}); install the extra 'gpu'"
    except Exception as error:  # it checks the versions of other packages when imported, each in its own way
        return f"xformers cannot be imported ({type(error).__name__}: {error})"
    tiny = torch.zeros(1, 2, 1, 8, dtype=torch.float16, device=device)
    inputs = Inputs(tiny, tiny, tiny, attn_bias=window_bias(1))
    reasons = (*flash.FwOp.not_supported_reasons(inputs), *flash.BwOp.not_supported_reasons(inputs))
    return "; ".join(dict.fromkeys(reasons))
