"""Sums of three neighbours against rolled copies."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from swarmformer.ops.neighbours.cpu import three_sum


def rolled(x_BND: Tensor, wrapped: bool) -> Tensor:
    left, right = x_BND.roll(1, dims=1), x_BND.roll(-1, dims=1)
    if not wrapped:
        left, right = left.clone(), right.clone()
        left[:, 0], right[:, -1] = 0, 0
    return left + x_BND + right


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("N", [1, 2, 3, 4, 17])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equals_rolled_copies_bit_by_bit(N: int, wrapped: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(N)
    x = torch.randn(2, N, 5, dtype=dtype)
    assert torch.equal(three_sum(x, wrapped), rolled(x, wrapped))
    turned = torch.randn(5, N, 2, dtype=dtype).mT
    assert torch.equal(three_sum(turned, wrapped), rolled(turned, wrapped))


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("N", [1, 2, 3, 8])
def test_gradient(N: int, wrapped: bool) -> None:
    x = torch.randn(2, N, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: three_sum(x, wrapped), (x,))
