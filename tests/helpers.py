"""Helpers that many tests share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swarmformer.testing import assert_close

__all__ = ["assert_close", "no_dropout", "prefix_mask"]


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
