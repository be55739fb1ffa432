"""Which clusters a token may go to: neighbours are everything with the rest left out, and cost what they say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swarmformer.assignment.reach import Everywhere, Nearby
from swarmformer.components.router.learned import Learned
from tests.components.routing import DIMS, D, states
from tests.helpers import assert_close


def dense(reach: Nearby, laid_out: Tensor) -> Tensor:
    """[b, C, S, R] → [b, N, C], zero for clusters out of reach; written with loops."""
    b = laid_out.shape[0]
    full = torch.zeros(b, reach.length, reach.clusters)
    for i in range(reach.length):
        own = i // reach.size
        for o in range(reach.near.candidates):
            j = own + o - reach.radius
            if 0 <= j < reach.clusters:
                full[:, i, j] = laid_out[:, own, i % reach.size, o]
    return full


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 23), size=st.integers(1, 7), radius=st.integers(1, 9))
def test_nearby_is_everywhere_with_the_rest_left_out(length: int, size: int, radius: int) -> None:
    near, far = Nearby(length, size, radius), Everywhere(length, size)
    C, X = near.clusters, 3
    generator = torch.Generator().manual_seed(0)
    k, q = torch.randn(2, length, X, generator=generator), torch.randn(2, C, X, generator=generator)
    within = (torch.arange(length)[:, None] // size - torch.arange(C)).abs() <= radius
    expected = far.scores(k, q) * within
    assert_close("scores", expected, dense(near, near.scores(k, q)), atol=1e-5)
    assert_close("distance", (far.distance() * within)[None], dense(near, near.distance().expand(1, C, -1, -1)), 1e-5)

    weights = torch.rand(2, C, size, near.near.candidates, generator=generator)
    weights = weights * near.of_clusters(torch.ones(2, C)) * near.of_tokens(torch.ones(2, length))
    full = dense(near, weights)
    assert_close("total", far.total(full, k), near.total(weights, k), atol=1e-5)
    assert_close("spread", far.spread(full, q), near.spread(weights, q), atol=1e-5)
    assert_close("mass", far.mass(full), near.mass(weights), atol=1e-5)


def test_everywhere_against_loops() -> None:
    reach, x, c = Everywhere(7, 3), states(1, 7), states(1, 3, seed=2)
    weights = torch.rand(1, 7, 3)
    for j in range(3):
        expected = sum(weights[0, i, j] * x[0, i] for i in range(7))
        assert_close("total", expected, reach.total(weights, x)[0, j], atol=1e-5)
    for i in range(7):
        expected = sum(weights[0, i, j] * c[0, j] for j in range(3))
        assert_close("spread", expected, reach.spread(weights, c)[0, i], atol=1e-5)
        assert [float(v) for v in reach.distance()[i]] == [abs(i - centre) for centre in (1, 4, 7)]
        assert int(reach.own()[i]) == i // 3


@pytest.mark.parametrize("radius", [0, 2])
def test_cost_grows_with_neighbours_not_with_clusters(radius: int) -> None:
    """Four times the length: four times the cost within ±r, sixteen times (for the N·C part) without."""
    dims = DIMS.model_copy(update={"seq_len": 16_384})
    built = Learned(dims, logits="content", radius=radius)
    short, long = built.flops(1, 4_096, 4), built.flops(1, 16_384, 4)
    assert long / short == pytest.approx(4, rel=1e-6) if radius else long / short > 12
    with torch.no_grad():
        assignment = built.eval()(torch.zeros(1, 16_384 if radius else 512, D), None, 4)
    assert assignment.weights.numel() == (16_384 * (2 * radius + 1) if radius else 512 * 128)
