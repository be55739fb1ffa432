"""Shifted copies of the text, added up."""

from __future__ import annotations

import torch
from torch import Tensor


def three_sum(x_BNX: Tensor, wrapped: bool, scale_3X: Tensor | None = None) -> Tensor:
    """See ``neighbours.three_sum``."""
    left, right = _rolled(x_BNX) if wrapped else _shifted(x_BNX)
    if scale_3X is None:
        return left + x_BNX + right
    return left * scale_3X[0] + x_BNX * scale_3X[1] + right * scale_3X[2]


def _rolled(x_BNX: Tensor) -> tuple[Tensor, Tensor]:
    return x_BNX.roll(1, dims=1), x_BNX.roll(-1, dims=1)


def _shifted(x_BNX: Tensor) -> tuple[Tensor, Tensor]:
    edge = torch.zeros_like(x_BNX[:, :1])
    return torch.cat([edge, x_BNX[:, :-1]], dim=1), torch.cat([x_BNX[:, 1:], edge], dim=1)
