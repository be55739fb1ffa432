"""Enhancement 4: clusters speak to their tokens through a gated residual MLP."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.components.shared import CLOSED, opened, shift_of
from swarmformer.contracts import Assignment, Dims, Feedback, Probability
from swarmformer.contracts.measure import OPENNESS, Measure
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register

SMALL, TINY = 1e-2, 1e-12


@register("feedback", "gated_mlp")
class GatedMLP(Feedback):
    """x + γ · sigmoid(gate[norm(x); r]) · MLP[norm(x); r], r what the token's clusters say (enhancement 4).

    MLP and gate have one hidden GELU layer each. Its half for r is linear in r and computed once per
    cluster, W_r·(A c) = A·(W_r c): exact, and D + hidden columns are sent back instead of D.

    Weight decay takes its gate, which shares the MLP's first layer, as it takes the MLP; gates that stand alone are
    spared.

    Options:
        hidden: width of the MLP's hidden layer, as a multiple of d_model.
        start: how the block starts small: ``scale`` learns γ per feature from 0.01 (Touvron et al. 2021,
            LayerScale); ``gate`` has no γ, and the gate's bias starts at −2.
        dropout: on the hidden layer of the MLP, drawn anew for each token.
    """

    sees_order = False
    reach = 0
    measures = {**OPENNESS, "update": Measure("size of the update over that of the token", least=0.01)}
    test_options = ({"hidden": 0.5}, {"hidden": 2.0, "start": "gate"})

    def __init__(
        self,
        dims: Dims,
        *,
        hidden: Annotated[float, Field(gt=0)] = 1.0,
        start: Literal["scale", "gate"] = "scale",
        dropout: Probability = 0.1,
    ) -> None:
        super().__init__()
        D = dims.d_model
        self.d_model, self.hidden = D, max(1, round(hidden * D))
        self.broadcast_width = self.hidden + D
        self.of_token = nn.Linear(D, self.broadcast_width)
        self.of_cluster = nn.Linear(D, self.broadcast_width, bias=False)
        self.out, self.gate_out = nn.Linear(self.hidden, D), nn.Linear(D, D)
        self.dropout = Dropout(dropout)
        self.scale = nn.Parameter(torch.full((D,), SMALL)) if start == "scale" else None
        if start == "gate":
            nn.init.constant_(self.gate_out.bias, CLOSED)

    def forward(self, x_BND: Tensor, c_BCD: Tensor, assignment: Assignment, norm: nn.Module | None = None) -> Tensor:
        first = self.of_token(x_BND if norm is None else norm(x_BND)) + assignment.broadcast(self.of_cluster(c_BCD))
        said, gate = F.gelu(first).split([self.hidden, self.d_model], dim=-1)
        score, shift = self.gate_out(gate), shift_of(assignment)
        opening = opened(score, shift, x_BND)
        update = opening * self.out(self.dropout(said))
        update = update if self.scale is None else self.scale * update
        if self.watched is not None:
            size = update.float().norm(dim=-1, keepdim=True) / x_BND.float().norm(dim=-1, keepdim=True).clamp(min=TINY)
            self.watched.over_tokens("openness", opening, assignment.token_mask_BN)
            self.watched.over_tokens("update", size, assignment.token_mask_BN)
        return x_BND + update

    def flops(self, B: int, N: int, C: int) -> int:
        D = self.d_model
        return 2 * B * (N + C) * D * self.broadcast_width + 2 * B * N * (self.hidden * D + D * D)
