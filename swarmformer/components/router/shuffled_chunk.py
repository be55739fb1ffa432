"""Placebo of routing: clusters of the published sizes, drawn without regard to place or content."""

from __future__ import annotations

import torch
from einops import repeat
from torch import Tensor

from swarmformer.components.router.fixed_chunk import ChunkAssignment
from swarmformer.contracts import Assignment, Dims, Router
from swarmformer.registry import register


class ShuffledAssignment(Assignment):
    """Chunks of a text whose tokens are put in the order ``order_BN`` first; pads come last."""

    copies = True

    def __init__(self, order_BN: Tensor, size: int, real_BN: Tensor) -> None:
        super().__init__()
        self.order_BN, self.back_BN = order_BN, order_BN.argsort(dim=1)
        self.chunks = ChunkAssignment(order_BN.shape[1], size, real_BN.gather(1, order_BN))
        self.cluster_mask_BC, self.token_mask_BN = self.chunks.cluster_mask_BC, real_BN

    def pool(self, x_BND: Tensor) -> Tensor:
        return self.chunks.pool(_reordered(x_BND, self.order_BN))

    def broadcast(self, c_BCX: Tensor) -> Tensor:
        return _reordered(self.chunks.broadcast(c_BCX), self.back_BN)


@register("router", "shuffled_chunk")
class ShuffledChunk(Router):
    """Every token draws a lot that belongs to its position; runs of the sorted lots are the clusters.

    The lots are drawn once, when the component is built, and never trained: as many clusters, of the
    same sizes, as the published chunks, but of tokens that have nothing to do with each other. The
    order of a text depends on its real tokens alone, so pads change nothing.
    """

    lots_N: Tensor

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.register_buffer("lots_N", torch.rand(dims.seq_len))

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> ShuffledAssignment:
        B, N, _ = x_BND.shape
        if self.lots_N.shape[0] < N:
            raise ValueError(
                f"router.shuffled_chunk: {N} tokens, but lots were drawn for seq_len = {self.lots_N.shape[0]}; "
                "raise model.dims.seq_len"
            )
        real_BN = x_BND.new_ones(B, N, dtype=torch.bool) if mask_BN is None else mask_BN
        lots_BN = self.lots_N[:N].float().masked_fill(~real_BN, float("inf"))
        return ShuffledAssignment(_order(lots_BN), cluster_size, real_BN)

    def flops(self, B: int, N: int, cluster_size: int) -> int:
        return 0


def _order(lots_BN: Tensor) -> Tensor:
    """Exporters do not know that an order may be stable; ONNX has no other, and torch mixes up pads at most."""
    return lots_BN.argsort(dim=1) if torch.compiler.is_exporting() else lots_BN.argsort(dim=1, stable=True)


def _reordered(x_BNX: Tensor, order_BN: Tensor) -> Tensor:
    return x_BNX.gather(1, repeat(order_BN, "b n -> b n x", x=x_BNX.shape[-1]))
