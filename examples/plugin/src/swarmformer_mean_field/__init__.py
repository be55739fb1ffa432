"""Clusters that hear the mean of all clusters: the cheapest mixer there is, linear in their number."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swarmformer.contracts import Cluster, Dims, Probability


class MeanField(Cluster):
    """W_own·norm(c) + W_all·(mean of norm(c) over all clusters), without attention.

    The mean is weighted by e^signal where the router gives a signal, so that −∞ is the same as a mask.

    Options:
        dropout: on the result.
    """

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.own = nn.Linear(dims.d_model, dims.d_model)
        self.all = nn.Linear(dims.d_model, dims.d_model, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
    ) -> Tensor:
        n_BCD = c_BCD if norm is None else norm(c_BCD)
        weight_BC1 = _weights(c_BCD, mask_BC, signal_BC).unsqueeze(-1)
        mean_B1D = (n_BCD * weight_BC1).sum(dim=1, keepdim=True)
        mixed_BCD = self.dropout(self.own(n_BCD) + self.all(mean_B1D))
        return mixed_BCD if mask_BC is None else mixed_BCD * mask_BC.unsqueeze(-1)


def _weights(c_BCD: Tensor, mask_BC: Tensor | None, signal_BC: Tensor | None) -> Tensor:
    """Share of each cluster in the mean, [B, C]; all zero where there is no cluster at all."""
    score_BC = torch.zeros_like(c_BCD[..., 0], dtype=torch.float32) if signal_BC is None else signal_BC.float()
    present_BC = score_BC > float("-inf")
    if mask_BC is not None:
        present_BC = present_BC & mask_BC
    # Finite even where all are absent: those weights are set to zero afterwards.
    share_BC = score_BC.masked_fill(~present_BC, -1e9).softmax(dim=-1) * present_BC
    return share_BC.to(c_BCD.dtype)
