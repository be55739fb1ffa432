"""The published local update: gated steps towards an MLP of the neighbours' mean."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swarmformer.components.shared import Gate
from swarmformer.contracts import Dims, Local, Probability
from swarmformer.contracts.measure import OPENNESS
from swarmformer.errors import SpecError
from swarmformer.ops.dropout import Dropout
from swarmformer.ops.gating import add, move
from swarmformer.ops.neighbours import three_sum
from swarmformer.registry import register


def circular_mean(x_BND: Tensor, scale_3D: Tensor | None = None) -> Tensor:
    """Mean of left neighbour, self and right neighbour; the ends wrap around, as published.

    ``scale_3D`` scales the three before the mean (None: not at all).
    """
    return three_sum(x_BND, wrapped=True, scale_3X=scale_3D) / 3.0


def masked_mean(x_BND: Tensor, mask_BN: Tensor | None, scale_3D: Tensor | None = None) -> Tensor:
    """Mean of self and those neighbours that are real tokens of the text.

    A token without real neighbours keeps its own value; pads get a finite value that nobody reads.
    ``scale_3D`` scales left neighbour, self and right neighbour before the mean (None: not at all).
    """
    weight_BN1 = x_BND.new_ones(x_BND.shape[:2]) if mask_BN is None else mask_BN.to(x_BND.dtype)
    weight_BN1 = weight_BN1.unsqueeze(-1)
    total_BND = three_sum(x_BND * weight_BN1, wrapped=False, scale_3X=scale_3D)
    return total_BND / three_sum(weight_BN1, wrapped=False).clamp(min=1.0)


@register("local", "rolling_shift")
class RollingShift(Local):
    """``T_local`` gated steps with shared weights (Legg & Sturmanis 2025).

    One step: x ← drop(x); u = drop(MLP(norm(neighbour mean))); x ← x + gate([x; u])·(u − x).

    Options:
        T_local: number of steps.
        dropout: on the input, inside the MLP and on u.
        masked: False restores the published behaviour: the ends wrap around and pads are neighbours.
        positions: left neighbour, self and right neighbour are scaled by a learned vector each, ones at the
            start, before their mean; without it the update cannot tell left from right, as published.
        residual: x ← x + gate·u: what a token had stays, where the published step takes gate·x away. Steps then keep
            tokens apart at the start (a residual stream, He et al. 2016), and a norm of the input is a pre-norm.
        closed: the gate starts closed (bias −2) instead of half open.
    """

    no_decay = ("gate",)
    measures = OPENNESS
    test_options = ({"T_local": 1}, {"positions": True, "masked": False}, {"residual": True, "closed": True})

    def __init__(
        self,
        dims: Dims,
        *,
        T_local: int = 3,
        dropout: Probability = 0.0,
        masked: bool = True,
        positions: bool = False,
        residual: bool = False,
        closed: bool = False,
    ) -> None:
        super().__init__()
        if T_local < 1:
            raise SpecError(f"local.rolling_shift: T_local must be at least 1, got {T_local}", path=("T_local",))
        D = dims.d_model
        self.d_model, self.T_local = D, T_local
        self.masked = self.honours_mask = masked
        self.sees_order = positions
        self.reach = T_local if masked else None  # the ends that wrap around are neighbours
        self.dropout = Dropout(dropout)
        self.mlp = nn.Sequential(nn.Linear(D, D), nn.GELU(), Dropout(dropout), nn.Linear(D, D))
        self.gate, self.residual = Gate(D, closed=closed), residual
        self.scale_3D = nn.Parameter(torch.ones(3, D)) if positions else None

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        for _ in range(self.T_local):
            x_BND = self._step(x_BND, mask_BN, norm)
        return x_BND

    def _step(self, x_BND: Tensor, mask_BN: Tensor | None, norm: nn.Module | None) -> Tensor:
        x_BND = self.dropout(x_BND)
        scale = self.scale_3D
        near_BND = masked_mean(x_BND, mask_BN, scale) if self.masked else circular_mean(x_BND, scale)
        u_BND = self.dropout(self.mlp(near_BND if norm is None else norm(near_BND)))
        gate_BND = self.gate(x_BND, u_BND)
        if self.watched is not None:
            self.watched.over_tokens("openness", gate_BND, mask_BN)
        return (add if self.residual else move)(x_BND, u_BND, gate_BND)

    def flops(self, B: int, N: int) -> int:
        mlp = 2 * B * N * 2 * self.d_model * self.d_model
        return self.T_local * (mlp + self.gate.flops(B * N))
