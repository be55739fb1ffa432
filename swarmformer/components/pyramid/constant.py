"""The same cluster size in every layer, as published."""

from __future__ import annotations

from swarmformer.contracts import Dims, Pyramid
from swarmformer.registry import register


@register("pyramid", "constant")
class Constant(Pyramid):
    """dims.cluster_size tokens per cluster in every layer (Legg & Sturmanis 2025)."""

    sees_order = False

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.size = dims.cluster_size

    def cluster_size(self, layer: int) -> int:
        return self.size
