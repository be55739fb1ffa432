"""The sum of every token and its two neighbours."""

from __future__ import annotations

from torch import Tensor

from swarmformer.ops.neighbours import cpu, plain
from swarmformer.ops.switch import applies


def three_sum(x_BNX: Tensor, wrapped: bool, scale_3X: Tensor | None = None) -> Tensor:
    """left + own + right for every token, [B, N, X]; beyond the ends are zeros, or the other end (``wrapped``).

    ``scale_3X`` scales left neighbour, self and right neighbour before the sum (None: not at all).
    """
    if scale_3X is None and applies(x_BNX):
        return cpu.three_sum(x_BNX, wrapped)
    return plain.three_sum(x_BNX, wrapped, scale_3X)
