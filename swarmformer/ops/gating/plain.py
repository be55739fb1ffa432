"""Gated updates as they are written."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.ops.dropout import Dropout


class Said:
    """What tokens hear from their clusters, ``tokens`` [B, N, X]."""

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens

    def linear(self, weight: Tensor, bias: Tensor | None = None) -> Said:
        return Said(F.linear(self.tokens, weight, bias))

    def dropped(self, dropout: Dropout) -> Said:
        """After dropout, drawn anew for each token."""
        return Said(dropout(self.tokens))


def pair_linear(x: Tensor, u: Said, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(torch.cat([x, u.tokens], dim=-1), weight, bias)


def move(x: Tensor, u: Tensor, gate: Tensor) -> Tensor:
    return x + gate * (u - x)


def add(x: Tensor, u: Tensor, gate: Tensor) -> Tensor:
    return x + gate * u
