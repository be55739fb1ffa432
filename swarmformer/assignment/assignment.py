"""An assignment by weights: pooled and broadcast with the same matrix."""

from __future__ import annotations

from torch import Tensor

from swarmformer.assignment.reach import Reach
from swarmformer.contracts import Assignment

LEAST_MASS = 1.0
"""A cluster with less than one token's worth of weight fades to zero instead of dividing by almost nothing
(compare the guard of 1.0 in GroupViT, Xu et al. 2022)."""


class WeightedAssignment(Assignment):
    """c_j = Σ_i a_ij x_i / max(Σ_i a_ij, 1); x_i = Σ_j a_ij c_j.

    ``weights`` (fp32) are laid out by ``reach``; rows of pads are zero, rows of real tokens sum to one.
    """

    cluster_mask_BC: Tensor

    def __init__(self, reach: Reach, weights: Tensor, cluster_mask_BC: Tensor) -> None:
        super().__init__()
        self.reach, self.weights, self.cluster_mask_BC = reach, weights, cluster_mask_BC
        self.mass_BC = reach.mass(weights)

    def pool(self, x_BND: Tensor) -> Tensor:
        total_BCD = self.reach.total(self.weights, x_BND)
        return total_BCD / self.mass_BC.clamp(min=LEAST_MASS).unsqueeze(-1).to(total_BCD.dtype)

    def broadcast(self, c_BCX: Tensor) -> Tensor:
        return self.reach.spread(self.weights, c_BCX)
