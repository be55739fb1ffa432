"""No pooling: one row per token, for tasks that ask at positions of the text."""

from __future__ import annotations

from torch import Tensor

from swarmformer.contracts import Dims, Pooling
from swarmformer.registry import register


@register("pooling", "tokens")
class Tokens(Pooling):
    """x_BND → x_BND: the classifier answers at every token; pads are zero."""

    per_token = True

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        return x_BND if mask_BN is None else x_BND * mask_BN.unsqueeze(-1)

    def flops(self, B: int, N: int) -> int:
        return 0
