"""Mean over all positions, pads included, as published."""

from __future__ import annotations

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

    def flops(self, B: int, N: int) -> int:
        return 0
