"""Attention between clusters: as published, and enhancements 2 (heads) and 6 (tied projections)."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from swarmformer.components.shared import check_heads, dropout_now, head_remarks, heads_of_width, watch_attention
from swarmformer.contracts import Cluster, Dims, Probability
from swarmformer.contracts.measure import ATTENTION
from swarmformer.ops.attention import attend
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register

Tie = Literal["none", "kv", "qkv", "qkv_pure"]


class Untied(nn.Module):
    """Three projections with bias, as published."""

    def __init__(self, D: int) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(D, D), nn.Linear(D, D), nn.Linear(D, D)

    def forward(self, c_BCD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.query(c_BCD), self.key(c_BCD), self.value(c_BCD)


class TiedKeyValue(nn.Module):
    """Keys and values are the same projection: a control for full tying."""

    def __init__(self, D: int) -> None:
        super().__init__()
        self.query, self.key_value = nn.Linear(D, D), nn.Linear(D, D)

    def forward(self, c_BCD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shared = self.key_value(c_BCD)
        return self.query(c_BCD), shared, shared


class TiedPure(nn.Module):
    """One projection for all three roles: scores are symmetric, clusters look mostly at themselves."""

    def __init__(self, D: int) -> None:
        super().__init__()
        self.shared = nn.Linear(D, D)

    def forward(self, c_BCD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shared = self.shared(c_BCD)
        return shared, shared, shared


class TiedByRole(nn.Module):
    """One matrix, told apart by role with about 3.5·D parameters.

    q = Wc + b_q; k = R(θ)·Wc, a learned rotation of each pair of features; v = s ⊙ Wc + b_v.
    Angles start uniform on the circle: the expected score of a cluster with itself is then that with
    any other, and the scores are not symmetric.
    """

    def __init__(self, D: int) -> None:
        super().__init__()
        self.shared = nn.Linear(D, D, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(D))
        self.angle = nn.Parameter(torch.empty(D // 2).uniform_(-1, 1).mul_(math.pi))
        self.value_scale = nn.Parameter(torch.ones(D))
        self.value_bias = nn.Parameter(torch.zeros(D))

    def forward(self, c_BCD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shared = self.shared(c_BCD)
        return shared + self.query_bias, self._rotate(shared), shared * self.value_scale + self.value_bias

    def _rotate(self, x_BCD: Tensor) -> Tensor:
        paired = 2 * self.angle.shape[0]
        even, odd = x_BCD[..., 0:paired:2], x_BCD[..., 1:paired:2]
        cos, sin = self.angle.cos(), self.angle.sin()
        turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)
        return torch.cat([turned, x_BCD[..., paired:]], dim=-1)


PROJECTIONS: dict[str, type[nn.Module]] = {
    "none": Untied,
    "kv": TiedKeyValue,
    "qkv": TiedByRole,
    "qkv_pure": TiedPure,
}
MATRICES = {"none": 3, "kv": 2, "qkv": 1, "qkv_pure": 1}


@register("cluster", "attention")
class ClusterAttention(Cluster):
    """softmax(q kᵀ / √width)·v over clusters, no residual (Legg & Sturmanis 2025).

    Options:
        heads: must divide d_model; the published model has one.
        out_proj: a linear map after the heads; the published model has none.
        tie: which projections share weights (``none``, ``kv``, ``qkv`` with roles, ``qkv_pure``).
        dropout: on the attention weights and on the output.
        head_width: least features of a head; fewer heads are taken where d_model has no room for ``heads``.
    """

    sees_order = False
    test_options = ({"heads": 4, "head_width": 32},)
    measures = ATTENTION

    def __init__(
        self,
        dims: Dims,
        *,
        heads: int = 1,
        out_proj: bool = False,
        tie: Tie = "none",
        dropout: Probability = 0.0,
        head_width: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        check_heads("cluster.attention", heads, dims.d_model)
        self.d_model, self.tie, self.dropout = dims.d_model, tie, dropout
        self.asked, self.heads = heads, heads_of_width(heads, dims.d_model, head_width)
        self.projections = PROJECTIONS[tie](dims.d_model)
        self.out = nn.Linear(dims.d_model, dims.d_model) if out_proj else None
        self.out_dropout = Dropout(dropout)

    def forward(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
    ) -> Tensor:
        q, k, v = (self._split(t) for t in self.projections(c_BCD if norm is None else norm(c_BCD)))
        if self.watched is not None:
            watch_attention(self.watched, q, k, mask_BC, signal_BC)
        dropout_p = dropout_now(self, self.dropout)
        mixed_BHCD = attend(q, k, v, mask_BM=mask_BC, signal_BM=signal_BC, dropout_p=dropout_p)
        mixed_BCD = rearrange(mixed_BHCD, "b h c d -> b c (h d)")
        if self.out is not None:
            mixed_BCD = self.out(mixed_BCD)
        mixed_BCD = self.out_dropout(mixed_BCD)
        return mixed_BCD if mask_BC is None else mixed_BCD * mask_BC.unsqueeze(-1)

    def _split(self, x_BCD: Tensor) -> Tensor:
        return rearrange(x_BCD, "b c (h d) -> b h c d", h=self.heads)

    def remarks(self) -> tuple[str, ...]:
        return head_remarks(self.asked, self.heads, self.d_model)

    def flops(self, B: int, C: int) -> int:
        D = self.d_model
        matrices = MATRICES[self.tie] + (self.out is not None)
        return 2 * B * C * matrices * D * D + 2 * 2 * B * C * C * D
