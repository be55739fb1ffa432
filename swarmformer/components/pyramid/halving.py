"""Enhancement 7: half as many clusters in every further layer."""

from __future__ import annotations

from swarmformer.contracts import AtLeastOne, Dims, Pyramid
from swarmformer.registry import register


@register("pyramid", "halving")
class Halving(Pyramid):
    """cluster_size · 2^layer tokens per cluster: C, ⌈C/2⌉, ⌈C/4⌉ clusters by layer.

    Halving the count, rounded up, is doubling the size: ⌈⌈N/s⌉/2⌉ = ⌈N/(2s)⌉ for every length N, so the
    clusters of a layer are pairs of the last layer's. The doubling ends where one cluster holds a text
    of seq_len tokens; C/4 takes three layers.

    Options:
        min_clusters: the doubling ends before a text of seq_len tokens has fewer clusters than this.
    """

    sees_order = False
    test_options = ({"min_clusters": 5},)

    def __init__(self, dims: Dims, *, min_clusters: AtLeastOne = 1) -> None:
        super().__init__()
        self.size, self.seq_len, self.min_clusters = dims.cluster_size, dims.seq_len, min_clusters
        self.layers = dims.num_layers

    def remarks(self) -> tuple[str, ...]:
        sizes = {self.cluster_size(layer) for layer in range(self.layers)}
        few = f"clusters of {len(sizes)} sizes in {self.layers} layers, where three are meant (C, C/2, C/4)"
        return (few,) if len(sizes) < 3 else ()

    def cluster_size(self, layer: int) -> int:
        size = self.size
        for _ in range(layer):
            if size >= self.seq_len or self._count(2 * size) < self.min_clusters:
                break
            size *= 2
        return size

    def _count(self, size: int) -> int:
        return -(-self.seq_len // size)
