"""Pyramids: tokens per cluster by layer."""

from __future__ import annotations

from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.require import require


@check("pyramid")
def a_size_for_every_layer(case: Case) -> None:
    """Whole numbers from one up, the same when asked again; the first is the cluster size of the model."""
    pyramid = case.build()
    sizes = [pyramid.cluster_size(layer) for layer in range(DIMS.num_layers)]
    require(all(type(size) is int and size >= 1 for size in sizes), f"sizes {sizes}: expected ints from 1 up")
    require(sizes[0] == DIMS.cluster_size, f"starts at {sizes[0]}, not at dims.cluster_size = {DIMS.cluster_size}")
    again = [pyramid.cluster_size(layer) for layer in range(DIMS.num_layers)]
    require(sizes == again, f"sizes change when asked again: {sizes}, {again}")
