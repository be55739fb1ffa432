"""No normalisation, as published."""

from __future__ import annotations

from torch import Tensor

from swarmformer.contracts import Dims, Norm
from swarmformer.registry import register


@register("norm", "none")
class NoNorm(Norm):
    """x → x (the published model has no norm)."""

    sees_order = False

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x
