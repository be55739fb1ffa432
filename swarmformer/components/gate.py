"""The gate that the published local and feedback updates share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import Assignment
from swarmformer.fast import applies


class Gate(nn.Module):
    """sigmoid(W₂ GELU(W₁ [x; u])): how much of the update u each feature of x takes.

    x and u: [..., D] → [..., D] in (0, 1). ``shift`` [..., 1] is added before the sigmoid.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.net = nn.Sequential(nn.Linear(2 * d_model, d_model), nn.GELU(), nn.Linear(d_model, d_model))

    def forward(self, x: Tensor, u: Tensor, shift: Tensor | None = None) -> Tensor:
        if applies(x):
            return self.of_halves(self.half_of_x(x), self.half_of_u(u), shift)
        return _opened(self.net(torch.cat([x, u], dim=-1)), shift)

    def of_halves(self, of_x: Tensor, of_u: Tensor, shift: Tensor | None = None) -> Tensor:
        """The gate from the two halves of W₁ [x; u] = W₁ₓ x + W₁ᵤ u: without [x; u] in memory."""
        return _opened(self.net[2](self.net[1](of_x + of_u)), shift)

    def half_of_x(self, x: Tensor) -> Tensor:
        """W₁ₓ x + b₁."""
        return F.linear(x, self.net[0].weight[:, : self.d_model], self.net[0].bias)  # type: ignore[index, arg-type]

    def half_of_u(self, u: Tensor) -> Tensor:
        """W₁ᵤ u; linear in u, so that it may be taken of a cluster and sent to its tokens."""
        return F.linear(u, self.net[0].weight[:, self.d_model :])  # type: ignore[index, arg-type]

    def flops(self, tokens: int) -> int:
        return 2 * tokens * (2 * self.d_model * self.d_model + self.d_model * self.d_model)


def _opened(score: Tensor, shift: Tensor | None) -> Tensor:
    return (score if shift is None else score + shift).sigmoid()


def moved(x: Tensor, u: Tensor, gate: Tensor) -> Tensor:
    """x + gate · (u − x), in x's type."""
    if applies(x):
        return torch.lerp(x, u.to(x.dtype), gate.to(x.dtype))
    return x + gate * (u - x)


def added(x: Tensor, u: Tensor, gate: Tensor) -> Tensor:
    """x + gate · u, in x's type."""
    if applies(x):
        return torch.addcmul(x, gate.to(x.dtype), u.to(x.dtype))
    return x + gate * u


def shift_of(assignment: Assignment) -> Tensor | None:
    """The signal of each token's clusters, [B, N, 1], for the gate; None where the router gives none."""
    if assignment.signal_BC is None:
        return None
    return assignment.broadcast(assignment.signal_BC.unsqueeze(-1))
