"""The published clusters: runs of consecutive tokens."""

from __future__ import annotations

from einops import rearrange, repeat
from torch import Tensor

from swarmformer.contracts import Assignment, Dims, Router
from swarmformer.ops.padding import filled
from swarmformer.registry import register


class ChunkAssignment(Assignment):
    """Every run of ``size`` tokens is a cluster; a reshape, never an N×C matrix.

    With ``mask_BN`` a cluster is the mean of its real tokens, and the last run may be partial; without
    it ``length`` must be divisible by ``size``.
    """

    copies = True

    def __init__(self, length: int, size: int, mask_BN: Tensor | None) -> None:
        super().__init__()
        self.length, self.size, self.token_mask_BN = length, size, mask_BN
        if mask_BN is not None:
            self.cluster_mask_BC = self._chunks(mask_BN.unsqueeze(-1)).any(dim=2).squeeze(-1)

    def _chunks(self, x_BNX: Tensor) -> Tensor:
        return rearrange(filled(x_BNX, self.size), "b (c s) x -> b c s x", s=self.size)

    def pool(self, x_BND: Tensor) -> Tensor:
        if self.token_mask_BN is None:
            return self._chunks(x_BND).mean(dim=2)
        weight_BN1 = self.token_mask_BN.unsqueeze(-1).to(x_BND.dtype)
        total_BCD = self._chunks(x_BND * weight_BN1).sum(dim=2)
        return total_BCD / self._chunks(weight_BN1).sum(dim=2).clamp(min=1.0)

    def broadcast(self, c_BCD: Tensor) -> Tensor:
        return repeat(c_BCD, "b c x -> b (c s) x", s=self.size)[:, : self.length]


@register("router", "fixed_chunk")
class FixedChunk(Router):
    """Consecutive tokens share a cluster (Legg & Sturmanis 2025).

    Options:
        masked: False restores the published behaviour: pads are averaged in, and the length must be
            divisible by the cluster size.
    """

    sees_order = False
    reach = 0

    def __init__(self, dims: Dims, *, masked: bool = True) -> None:
        super().__init__()
        self.masked = self.honours_mask = masked

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> ChunkAssignment:
        B, N, _ = x_BND.shape
        if not self.masked:
            self._check_divisible(N, cluster_size)
            return ChunkAssignment(N, cluster_size, None)
        if mask_BN is None and N % cluster_size:
            mask_BN = x_BND.new_ones(B, N).bool()
        return ChunkAssignment(N, cluster_size, mask_BN)

    @staticmethod
    def _check_divisible(N: int, cluster_size: int) -> None:
        if N % cluster_size:
            raise ValueError(
                f"{N} tokens cannot be cut into clusters of {cluster_size}: the published router needs a divisible "
                "length. Pad the batch (data.pad_to_max: true), or set router.masked: true"
            )

    def flops(self, B: int, N: int, cluster_size: int) -> int:
        return 0
