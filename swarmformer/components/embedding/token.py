"""Token embedding without positions, as published."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from swarmformer.contracts import Dims, Embedding, Probability
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register

Deviation = Annotated[float, Field(gt=0)]


def token_table(dims: Dims, init_std: float) -> nn.Embedding:
    """Token vectors of N(0, init_std²): torch's N(0, 1), scaled, so that every start is the same but for its size."""
    table = nn.Embedding(dims.vocab_size, dims.d_model)
    with torch.no_grad():
        table.weight.mul_(init_std)
    return table


@register("embedding", "token")
class TokenEmbedding(Embedding):
    """Look-up table and dropout; no positions (Legg & Sturmanis 2025).

    Options:
        init_std: standard deviation of token vectors at the start; 1 as published (torch's default). AdamW moves a
            weight by about the learning rate a step, so that large ones stay noise for long; BERT has 0.02.
        dropout: on what the table gives.
    """

    sees_order = False
    reach = 0
    test_options = ({"init_std": 0.1},)

    def __init__(self, dims: Dims, *, init_std: Deviation = 1.0, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.embed = token_table(dims, init_std)
        self.dropout = Dropout(dropout)

    def forward(self, ids_BN: Tensor) -> Tensor:
        return self.dropout(self.embed(ids_BN))

    def flops(self, B: int, N: int) -> int:
        return 0
