"""Products with neighbouring clusters: the same as on whole matrices, in pieces and in their gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swarmformer.assignment.reach import Nearby
from swarmformer.ops import near as products
from swarmformer.ops.near import Near, cpu
from swarmformer.ops.switch import use_fast
from tests.helpers import assert_close


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


def results(near: Nearby, b: int, X: int) -> dict[str, Tensor]:
    """Each product of the reach, and all gradients of a projection of it."""
    k, q = draw(b, near.length, X), draw(b, near.clusters, X)
    w = draw(b, near.clusters, near.size, near.near.candidates)
    found: dict[str, Tensor] = {}
    products: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Tensor, Tensor]] = {
        "scores": (near.scores, k, q),
        "total": (near.total, w, k),
        "spread": (near.spread, w, q),
    }
    for name, (product, left, right) in products.items():
        left, right = left.clone().requires_grad_(), right.clone().requires_grad_()
        found[name] = product(left, right)
        found[name].backward(torch.cos(found[name].detach()))
        assert left.grad is not None and right.grad is not None
        found |= {f"{name}, gradient of the left": left.grad, f"{name}, gradient of the right": right.grad}
    return found


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(1, 23),
    size=st.integers(1, 7),
    radius=st.integers(1, 9),
    b=st.integers(1, 4),
    piece=st.sampled_from([1, 60, 10**6]),
)
def test_text_by_text_is_the_same_as_whole(length: int, size: int, radius: int, b: int, piece: int) -> None:
    near = Nearby(length, size, radius)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "PIECE", piece)
        found = results(near, b, X=3)
    with use_fast(False):
        expected = results(near, b, X=3)
    for name in expected:
        assert_close(name, expected[name], found[name], atol=1e-12)


@pytest.mark.parametrize("product", [products.scores, products.total, products.spread])
def test_gradients_are_those_of_the_function_twice(product: Callable[[Near, Tensor, Tensor], Tensor]) -> None:
    """Each backward pass is made of the other products, so second derivatives hold too."""
    near = Near(length=7, size=3, radius=1)
    tokens, clusters, weights = draw(2, 7, 2), draw(2, 3, 2), draw(2, 3, 3, 3)
    weights[:, 2, 1:] = 0  # rows past the end of the text weigh nothing, as the router leaves them
    left = tokens if product is products.scores else weights
    right = tokens if product is products.total else clusters
    inputs = (left.requires_grad_(), right.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: product(near, a, b), inputs)
    assert torch.autograd.gradgradcheck(lambda a, b: product(near, a, b), inputs)


def test_a_piece_holds_some_texts_and_every_text_once() -> None:
    pieces = list(cpu.pieces(Near(16_384, 8, 2), 3, 128))
    assert [piece.stop - piece.start for piece in pieces] == [1, 1, 1]
    short = list(cpu.pieces(Near(256, 8, 2), 100, 128))
    assert [piece.stop - piece.start for piece in short] == [32, 32, 32, 4] and short[-1].stop == 100
