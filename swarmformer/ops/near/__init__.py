"""The three products of tokens with the clusters around them.

N tokens stand in chunks of S, C = ⌈N / S⌉, and the candidates of a token are its own chunk and ``radius`` on either
side, R = 2 · radius + 1. X is any width, and N need not fill the last chunk.
"""

from __future__ import annotations

from torch import Tensor

from swarmformer.ops.near import cpu, plain
from swarmformer.ops.near.layout import Near
from swarmformer.ops.switch import applies

__all__ = ["Near", "scores", "spread", "total"]


def scores(near: Near, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
    """k · q for each token and candidate: [b, C, S, R]."""
    return (cpu if applies(k_bNX) else plain).scores(near, k_bNX, q_bCX)


def total(near: Near, w_bCSR: Tensor, x_bNX: Tensor) -> Tensor:
    """Σ over tokens, for each cluster: [b, C, X]."""
    return (cpu if applies(x_bNX) else plain).total(near, w_bCSR, x_bNX)


def spread(near: Near, w_bCSR: Tensor, c_bCX: Tensor) -> Tensor:
    """Σ over candidates, for each token: [b, N, X]."""
    return (cpu if applies(c_bCX) else plain).spread(near, w_bCSR, c_bCX)
