"""A weighted mean of the real tokens, with learned weights."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor, nn

from swarmformer.components.shared import check_heads
from swarmformer.contracts import Dims, Pooling
from swarmformer.registry import register


@register("pooling", "attention")
class AttentionPooling(Pooling):
    """Σ softmax(q·x / √D)·x over real tokens, with a learned query q (after Yang et al. 2016).

    Each head has a query for the whole token and pools its own D / heads columns. Queries start at zero,
    so training starts from the mean. A text without real tokens gives zero.

    Options:
        heads: queries; must divide d_model.
    """

    sees_order = False
    test_options = ({"heads": 4},)

    def __init__(self, dims: Dims, *, heads: int = 1) -> None:
        super().__init__()
        check_heads("pooling.attention", heads, dims.d_model)
        self.d_model, self.heads, self.scale = dims.d_model, heads, 1 / math.sqrt(dims.d_model)
        self.query_HD = nn.Parameter(torch.zeros(heads, dims.d_model))

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        weight_BHN = rearrange(self._weights(x_BND, mask_BN), "b n h -> b h 1 n")
        value_BHND = rearrange(x_BND, "b n (h d) -> b h n d", h=self.heads)
        return rearrange(weight_BHN @ value_BHND, "b h 1 d -> b (h d)")

    def _weights(self, x_BND: Tensor, mask_BN: Tensor | None) -> Tensor:
        score_BNH = self._scores(x_BND)
        if mask_BN is None:
            return score_BNH.softmax(dim=1)
        real_BN1 = mask_BN.unsqueeze(-1)
        # The least number, not −∞: the softmax of a text without real tokens stays finite.
        weight_BNH = score_BNH.masked_fill(~real_BN1, torch.finfo(score_BNH.dtype).min).softmax(dim=1)
        return weight_BNH * real_BN1

    def _scores(self, x_BND: Tensor) -> Tensor:
        return x_BND @ self.query_HD.mT * self.scale

    def log_weight(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        score_BNH = self._scores(x_BND).double()
        if mask_BN is not None:
            score_BNH = score_BNH.masked_fill(~mask_BN.unsqueeze(-1), float("-inf"))
        return score_BNH.logsumexp(dim=1)

    def flops(self, B: int, N: int) -> int:
        return 2 * B * N * self.d_model * self.heads + 2 * B * N * self.d_model
