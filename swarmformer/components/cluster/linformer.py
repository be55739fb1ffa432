"""Low-rank attention between clusters: keys and values are projected to a few rows."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from swarmformer.components.shared import check_heads, divided, dropout_now, influence
from swarmformer.contracts import AtLeastOne, Cluster, Dims, Probability
from swarmformer.ops.attention import attend
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


@register("cluster", "linformer")
class Linformer(Cluster):
    """out(softmax(q (E k)ᵀ / √width) (F v)), linear in C: E and F turn C rows into ``rank`` (Wang et al. 2020).

    E and F [rank, ⌈seq_len / cluster_size⌉] are learned, shared by the heads, and have one column for each
    place of a cluster in its text; shorter texts use the first columns. Every cluster is weighed by
    w = exp(signal), zero where masked, and the sum is divided by ‖w‖: E k = Σ_j E_j w_j k_j / √Σ_j w_j².
    So with E of unit variance the rows have the size of a key whether a text has 2 clusters or 32; they
    would shrink with the text otherwise. No residual, like cluster.attention.

    Options:
        rank: rows that keys and values are projected to; with one, every cluster hears the same.
        share_projection: F = E, "key-value sharing" in the paper.
        heads: must divide d_model.
        dropout: on the attention weights and on the output.
    """

    test_options = ({"rank": 2, "heads": 1}, {"rank": 40})

    def __init__(
        self,
        dims: Dims,
        *,
        rank: AtLeastOne = 8,
        share_projection: bool = False,
        heads: int = 4,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        check_heads("cluster.linformer", heads, dims.d_model)
        D, self.dims = dims.d_model, dims
        self.rank, self.heads, self.dropout = rank, heads, dropout
        self.query, self.key, self.value, self.out = (nn.Linear(D, D) for _ in range(4))
        self.most = -(-dims.seq_len // dims.cluster_size)
        self.key_RC = nn.Parameter(torch.randn(rank, self.most))
        self.value_RC = self.key_RC if share_projection else nn.Parameter(torch.randn(rank, self.most))
        self.out_dropout = Dropout(dropout)

    def forward(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
    ) -> Tensor:
        self._check(c_BCD.shape[1])
        x_BCD = c_BCD if norm is None else norm(c_BCD)
        weight_BC1 = influence(c_BCD, mask_BC, signal_BC)
        share_BC1 = divided(weight_BC1, weight_BC1.norm(dim=1, keepdim=True)).to(c_BCD.dtype)
        q, k, v = self.query(x_BCD), self.key(x_BCD) * share_BC1, self.value(x_BCD) * share_BC1
        mixed_BCD = self._attend(q, self._project(self.key_RC, k), self._project(self.value_RC, v))
        mixed_BCD = self.out_dropout(self.out(mixed_BCD))
        return mixed_BCD if mask_BC is None else mixed_BCD * mask_BC.unsqueeze(-1)

    @staticmethod
    def _project(matrix_RC: Tensor, x_BCD: Tensor) -> Tensor:
        return matrix_RC[:, : x_BCD.shape[1]] @ x_BCD

    def _attend(self, q_BCD: Tensor, k_BRD: Tensor, v_BRD: Tensor) -> Tensor:
        q, k, v = (rearrange(t, "b c (h d) -> b h c d", h=self.heads) for t in (q_BCD, k_BRD, v_BRD))
        mixed_BHCD = attend(q, k, v, dropout_p=dropout_now(self, self.dropout))
        return rearrange(mixed_BHCD, "b h c d -> b c (h d)")

    def _check(self, count: int) -> None:
        if count > self.most:
            seq_len, size = self.dims.seq_len, self.dims.cluster_size
            raise ValueError(
                f"cluster.linformer: {count} clusters, but its projections have {self.most} columns: dims.seq_len = "
                f"{seq_len} tokens in clusters of dims.cluster_size = {size}. Raise dims.seq_len to {count * size}, or "
                f"cut the texts to {seq_len} tokens"
            )

    def flops(self, B: int, C: int) -> int:
        D, R = self.dims.d_model, self.rank
        return 2 * B * C * 4 * D * D + 2 * 2 * B * R * C * D + 2 * 2 * B * C * R * D
