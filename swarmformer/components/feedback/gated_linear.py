"""The published feedback: each token takes a gated share of its cluster."""

from __future__ import annotations

from torch import Tensor, nn

from swarmformer.components.gate import Gate, added, shift_of
from swarmformer.contracts import Assignment, Dims, Feedback, Probability
from swarmformer.fast import Dropout, applies
from swarmformer.registry import register


@register("feedback", "gated_linear")
class GatedLinear(Feedback):
    """g = drop(W·cluster); x ← x + gate([norm(x); g])·g (Legg & Sturmanis 2025).

    Options:
        dropout: on g, drawn anew for each token.
    """

    no_decay = ("gate",)
    order = "N·D²"

    def __init__(self, dims: Dims, *, dropout: Probability = 0.1) -> None:
        super().__init__()
        self.d_model = self.broadcast_width = dims.d_model
        self.linear = nn.Linear(dims.d_model, dims.d_model)
        self.dropout = Dropout(dropout)
        self.gate = Gate(dims.d_model)

    def forward(
        self, x_BND: Tensor, c_BCD: Tensor, assignment: Assignment, norm: nn.Module | None = None
    ) -> Tensor:
        normed_BND, shift_BN1 = x_BND if norm is None else norm(x_BND), shift_of(assignment)
        if not (applies(x_BND) and assignment.copies):
            g_BND = self.dropout(self.linear(assignment.broadcast(c_BCD)))
            return added(x_BND, g_BND, self.gate(normed_BND, g_BND, shift_BN1))
        said_BCD = self.linear(c_BCD)
        g_BND = self.dropout(assignment.broadcast(said_BCD))
        if self.training and self.dropout.p:  # every token has a g of its own
            return added(x_BND, g_BND, self.gate(normed_BND, g_BND, shift_BN1))
        half_BND = assignment.broadcast(self.gate.half_of_u(said_BCD))
        return added(x_BND, g_BND, self.gate.of_halves(self.gate.half_of_x(normed_BND), half_BND, shift_BN1))

    def flops(self, B: int, N: int, C: int) -> int:
        return 2 * B * N * self.d_model * self.d_model + self.gate.flops(B * N)
