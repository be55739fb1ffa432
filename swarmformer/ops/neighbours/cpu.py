"""Two passes over the text, without shifted copies of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def three_sum(x_BNX: Tensor, wrapped: bool) -> Tensor:
    """See ``neighbours.three_sum``; nothing is scaled."""
    return _ThreeSum.apply(x_BNX, wrapped)  # type: ignore[no-any-return]


class _ThreeSum(torch.autograd.Function):
    """The map is symmetric: the gradient is the same sum of gradients."""

    @staticmethod
    def forward(ctx: Any, x_BNX: Tensor, wrapped: bool) -> Tensor:
        ctx.wrapped = wrapped
        return _three_sum(x_BNX, wrapped)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _three_sum(gradient, ctx.wrapped), None


def _three_sum(x_BNX: Tensor, wrapped: bool) -> Tensor:
    """Two passes, the second in place, in the order of (left + own) + right: equal to the plain sum bit by bit."""
    total = torch.empty_like(x_BNX, memory_format=torch.contiguous_format)
    torch.add(x_BNX[:, :-1], x_BNX[:, 1:], out=total[:, 1:])
    total[:, 0] = x_BNX[:, -1] + x_BNX[:, 0] if wrapped else x_BNX[:, 0]
    total[:, :-1] += x_BNX[:, 1:]
    if wrapped:
        total[:, -1] += x_BNX[:, 0]
    return total
