"""How much clusters give to each other where there are no scores to add their signal to (``contracts.Cluster``)."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = -40.0
"""Below exp(LEAST) of the greatest a cluster gives nothing: what rounding would drop, before it can underflow."""


def influence(c_BCD: Tensor, mask_BC: Tensor | None, signal_BC: Tensor | None) -> Tensor:
    """exp(signal), up to a factor per text, [B, C, 1] in float32 or better; zero where masked.

    The largest is 1, so nothing overflows: whoever uses it divides by its sum or its norm. A text whose
    clusters are all masked, or all have a signal of −∞, has only zeros.
    """
    wide = torch.promote_types(c_BCD.dtype, torch.float32)
    signal = c_BCD.new_zeros(c_BCD.shape[:2], dtype=wide) if signal_BC is None else signal_BC.to(wide)
    if mask_BC is not None:
        signal = signal.masked_fill(~mask_BC, float("-inf"))
    signal = signal - signal.detach().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(wide).min)
    return signal.masked_fill(signal < LEAST, float("-inf")).exp().unsqueeze(-1)


def divided(weight: Tensor, total: Tensor) -> Tensor:
    """weight / total, where zero by zero is zero, also for the gradient."""
    return weight / total.masked_fill(total == 0, 1.0)
