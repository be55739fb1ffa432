"""The published feedback: each token takes a gated share of its cluster."""

from __future__ import annotations

from torch import Tensor, nn

from swarmformer.components.shared import Gate, shift_of
from swarmformer.contracts import Assignment, Dims, Feedback, Probability
from swarmformer.contracts.measure import OPENNESS
from swarmformer.ops.dropout import Dropout
from swarmformer.ops.gating import add, said
from swarmformer.registry import register


@register("feedback", "gated_linear")
class GatedLinear(Feedback):
    """g = drop(W·cluster); x ← x + gate([norm(x); g])·g (Legg & Sturmanis 2025).

    Options:
        dropout: on g, drawn anew for each token.
    """

    sees_order = False
    reach = 0
    no_decay = ("gate",)
    measures = OPENNESS

    def __init__(self, dims: Dims, *, dropout: Probability = 0.1) -> None:
        super().__init__()
        self.d_model = self.broadcast_width = dims.d_model
        self.linear = nn.Linear(dims.d_model, dims.d_model)
        self.dropout = Dropout(dropout)
        self.gate = Gate(dims.d_model)

    def forward(self, x_BND: Tensor, c_BCD: Tensor, assignment: Assignment, norm: nn.Module | None = None) -> Tensor:
        g = said(assignment, c_BCD).linear(self.linear.weight, self.linear.bias).dropped(self.dropout)
        gate_BND = self.gate(x_BND if norm is None else norm(x_BND), g, shift_of(assignment))
        if self.watched is not None:
            self.watched.over_tokens("openness", gate_BND, assignment.token_mask_BN)
        return add(x_BND, g.tokens, gate_BND)

    def flops(self, B: int, N: int, C: int) -> int:
        return 2 * B * N * self.d_model * self.d_model + self.gate.flops(B * N)
