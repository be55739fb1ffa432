"""The gate that the published local and feedback updates share."""

from __future__ import annotations

from torch import Tensor, nn

from swarmformer.contracts import Assignment
from swarmformer.ops.gating import Said, pair_linear


class Gate(nn.Module):
    """sigmoid(W₂ GELU(W₁ [x; u])): how much of the update u each feature of x takes.

    x and u: [..., D] → [..., D] in (0, 1). ``shift`` [..., 1] is added before the sigmoid.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.net = nn.Sequential(nn.Linear(2 * d_model, d_model), nn.GELU(), nn.Linear(d_model, d_model))

    def forward(self, x: Tensor, u: Tensor | Said, shift: Tensor | None = None) -> Tensor:
        first, activation, second = self.net
        score = second(activation(pair_linear(x, u, first.weight, first.bias)))  # type: ignore[arg-type]
        return (score if shift is None else score + shift).sigmoid()

    def flops(self, tokens: int) -> int:
        return 2 * tokens * (2 * self.d_model * self.d_model + self.d_model * self.d_model)


def shift_of(assignment: Assignment) -> Tensor | None:
    """The signal of each token's clusters, [B, N, 1], for the gate; None where the router gives none."""
    if assignment.signal_BC is None:
        return None
    return assignment.broadcast(assignment.signal_BC.unsqueeze(-1))
