"""The gate that the published local and feedback updates share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Gate(nn.Module):
    """sigmoid(W₂ GELU(W₁ [x; u])): how much of the update u each feature of x takes.

    x and u: [..., D] → [..., D] in (0, 1).
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.net = nn.Sequential(nn.Linear(2 * d_model, d_model), nn.GELU(), nn.Linear(d_model, d_model))

    def forward(self, x: Tensor, u: Tensor) -> Tensor:
        return self.net(torch.cat([x, u], dim=-1)).sigmoid()

    def flops(self, tokens: int) -> int:
        return 2 * tokens * (2 * self.d_model * self.d_model + self.d_model * self.d_model)
