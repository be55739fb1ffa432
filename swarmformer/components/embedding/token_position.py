"""Token embedding plus positions, learned or sinusoidal."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from swarmformer.components.embedding.token import Deviation, token_table
from swarmformer.contracts import Dims, Embedding, Probability
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


def sinusoids(length: int, width: int) -> Tensor:
    """Positions [length, width]: sines in the first half, cosines in the second.

    Wavelengths form a geometric progression from 2π to 10000·2π (Vaswani et al. 2017, section 3.5).
    """
    half = (width + 1) // 2
    rates = 10_000.0 ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.arange(length, dtype=torch.float32)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :width]


@register("embedding", "token_position")
class TokenPositionEmbedding(Embedding):
    """Look-up table plus scaled positions, then dropout.

    Options:
        position: learned, or sines and cosines (Vaswani et al. 2017).
        scale: of positions beside the token vectors, which should not be drowned: the standard deviation of learned
            ones at the start, or the factor on sinusoids, is ``scale`` · ``init_std``.
        init_std: standard deviation of token vectors at the start, as of ``token``.
        dropout: on the sum.
    """

    test_options = ({"init_std": 0.1},)

    def __init__(
        self,
        dims: Dims,
        *,
        position: Literal["learned", "sinusoidal"] = "learned",
        scale: float = 0.1,
        init_std: Deviation = 1.0,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.embed = token_table(dims, init_std)
        if position == "learned":
            self.position_ND = nn.Parameter(torch.randn(dims.seq_len, dims.d_model) * scale * init_std)
        else:
            fixed_ND = sinusoids(dims.seq_len, dims.d_model) * scale * init_std
            self.register_buffer("position_ND", fixed_ND, persistent=False)
        self.dropout = Dropout(dropout)

    def forward(self, ids_BN: Tensor) -> Tensor:
        N, limit = ids_BN.shape[1], self.position_ND.shape[0]
        if limit < N:
            raise ValueError(f"{N} tokens, but positions were built for seq_len = {limit}; raise model.dims.seq_len")
        return self.dropout(self.embed(ids_BN) + self.position_ND[:N])

    def flops(self, B: int, N: int) -> int:
        return 0
