"""Mean over all positions, pads included, as published."""

from __future__ import annotations

import torch
from torch import Tensor

from swarmformer.contracts import Dims, Pooling
from swarmformer.registry import register


@register("pooling", "mean_all")
class MeanAll(Pooling):
    """Mean over positions; pads count, so the result depends on the padding (Legg & Sturmanis 2025)."""

    sees_order = False
    honours_mask = False

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        return x_BND.mean(dim=1)

    def log_weight(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        B, N, _ = x_BND.shape
        return x_BND.new_full((B, 1), N, dtype=torch.float64).log()

    def flops(self, B: int, N: int) -> int:
        return 0
