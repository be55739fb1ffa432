"""Mean over the real tokens of a text."""

from __future__ import annotations

import torch
from torch import Tensor

from swarmformer.contracts import Dims, Pooling
from swarmformer.registry import register


@register("pooling", "mean")
class Mean(Pooling):
    """Mean over real tokens; a text without any gives zero."""

    sees_order = False

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        if mask_BN is None:
            return x_BND.mean(dim=1)
        weight_BN1 = mask_BN.unsqueeze(-1).to(x_BND.dtype)
        return (x_BND * weight_BN1).sum(dim=1) / weight_BN1.sum(dim=1).clamp(min=1.0)

    def log_weight(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        real_BN = x_BND.new_ones(x_BND.shape[:2]) if mask_BN is None else mask_BN
        return real_BN.sum(dim=1, keepdim=True, dtype=torch.float64).log()

    def flops(self, B: int, N: int) -> int:
        return 0
