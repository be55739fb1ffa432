"""Helpers that many tests share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def assert_close(name: str, reference: Tensor, value: Tensor, atol: float, rtol: float = 0.0) -> None:
    """Fail with the tensor's name and the greatest difference; NaN and shapes that differ fail too."""
    assert reference.shape == value.shape, f"{name}: shape {tuple(value.shape)}, expected {tuple(reference.shape)}"
    assert torch.isfinite(value).all(), f"{name}: {(~torch.isfinite(value)).sum()} values are not finite"
    gap = (reference - value).abs()
    excess = gap - rtol * reference.abs()
    assert excess.max() <= atol, f"{name}: differs by up to {gap.max():.3g} (allowed {atol:g} + {rtol:g}·|reference|)"


def no_dropout(model: nn.Module) -> None:
    """Turn every dropout off, so that train mode is deterministic."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0


def prefix_mask(lengths: list[int], N: int) -> Tensor:
    """mask_BN of texts of these lengths, padded to N."""
    return torch.arange(N) < torch.tensor(lengths)[:, None]
