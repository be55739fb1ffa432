"""Who may look at whom, shared by the back ends."""

from __future__ import annotations

import torch
from torch import Tensor


def usable_keys(mask_BM: Tensor | None, signal_BM: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Keys that anyone may look at (None: all), and signals that are finite.

    A signal of −∞ is the same as a mask; taken out of the scores it cannot turn a row of nothing into NaN.
    """
    if signal_BM is None:
        return mask_BM, None
    allowed_BM = ~torch.isneginf(signal_BM)
    if mask_BM is not None:
        allowed_BM = allowed_BM & mask_BM
    return allowed_BM, signal_BM.masked_fill(~allowed_BM, 0.0)


def distances(queries: int, keys: int, device: torch.device, offset: int = 0) -> Tensor:
    """Key position minus query position, [queries, keys]; ``offset`` is that of the first key from the first query."""
    return torch.arange(keys, device=device) + offset - torch.arange(queries, device=device)[:, None]


def past(queries: int, keys: int, device: torch.device) -> Tensor:
    """True where a key is not later than the query, [queries, keys]; the last of both stand at one place."""
    return distances(queries, keys, device, offset=queries - keys) <= 0


def relative_bias(bias_HR: Tensor, distance_QK: Tensor) -> Tensor:
    """Bias of each head at each distance, [H, Q, K]; beyond the window, where it is masked, that of its edge."""
    window = bias_HR.shape[-1] // 2
    return bias_HR[:, distance_QK.clamp(-window, window) + window]
