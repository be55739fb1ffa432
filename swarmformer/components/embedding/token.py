"""Token embedding without positions, as published."""

from __future__ import annotations

from torch import Tensor, nn

from swarmformer.contracts import Dims, Embedding, Probability
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


@register("embedding", "token")
class TokenEmbedding(Embedding):
    """Look-up table and dropout; no positions (Legg & Sturmanis 2025)."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.embed = nn.Embedding(dims.vocab_size, dims.d_model)
        self.dropout = Dropout(dropout)

    def forward(self, ids_BN: Tensor) -> Tensor:
        return self.dropout(self.embed(ids_BN))

    def flops(self, B: int, N: int) -> int:
        return 0
