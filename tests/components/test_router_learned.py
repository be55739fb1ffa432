"""Learned routing against loops over tokens and clusters, its start, its schedule and its limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.components.router.learned import Learned
from swarmformer.components.router.shuffled_chunk import ShuffledChunk
from tests.components.cases import prefix_mask
from tests.components.routing import DIMS, router, states
from tests.helpers import assert_close


def by_loops(built: Learned, x: Tensor, mask: Tensor, size: int) -> Tensor:
    """Soft weights [B, N, C] of a content router, one token and one cluster at a time."""
    B, N, _ = x.shape
    C = -(-N // size)
    weights = torch.zeros(B, N, C)
    for b in range(B):
        means = [x[b, j * size : (j + 1) * size][mask[b, j * size : (j + 1) * size]] for j in range(C)]
        for i in range(N):
            if not mask[b, i]:
                continue
            key = built.key.weight @ (x[b, i] / x[b, i].square().mean().add(torch.finfo(torch.float32).eps).sqrt())
            logits = torch.full((C,), -math.inf)
            for j in range(C):
                if len(means[j]) and (not built.radius or abs(i // size - j) <= built.radius):
                    mean = means[j].mean(dim=0)
                    mean = mean / mean.square().mean().add(torch.finfo(torch.float32).eps).sqrt()
                    query = built.query.weight @ mean + built.slot_CX[j]
                    centre = j * size + (size - 1) / 2
                    logits[j] = key @ query / math.sqrt(built.width) - built.log_distance.exp() * abs(i - centre)
            weights[b, i] = torch.exp(logits - logits.max()) / torch.exp(logits - logits.max()).sum()
    return weights


@pytest.mark.parametrize("radius", [0, 1])
@pytest.mark.parametrize("N", [1, 5, 12, 14])
def test_content_routing_against_loops(radius: int, N: int) -> None:
    built, x = router(logits="content", distance=0.5, radius=radius), states(2, N)
    mask = prefix_mask([N, max(1, N - 3)], N)
    with torch.no_grad():
        weights = by_loops(built, x, mask, 4)
        assignment = built(x, mask, 4)
        mass = weights.sum(dim=1).clamp(min=1.0)
        pooled = torch.einsum("bnc,bnd->bcd", weights, x) / mass.unsqueeze(-1)
        assert_close("pool", pooled, assignment.pool(x), atol=1e-5)
        assert_close("broadcast", weights @ pooled, assignment.broadcast(pooled), atol=1e-5)


@pytest.mark.parametrize("options", [{"logits": "content"}, {"logits": "position"}, {"sampling": "gumbel"}], ids=str)
@pytest.mark.parametrize("radius", [0, 2])
def test_training_starts_at_the_chunks(options: dict[str, Any], radius: int) -> None:
    x, mask = states(3, 23), prefix_mask([23, 16, 5], 23)
    torch.manual_seed(0)
    fixed = FixedChunk(DIMS)(x, mask, 4)
    built = Learned(DIMS, radius=radius, distance=12.0, **options).eval()
    with torch.no_grad():
        learned = built(x, mask, 4)
        assert_close("pool", fixed.pool(x), learned.pool(x), atol=5e-5)
        expected = fixed.broadcast(fixed.pool(x)) * mask.unsqueeze(-1)
        assert_close("broadcast", expected, learned.broadcast(learned.pool(x)), atol=5e-5)
        default = Learned(DIMS, radius=radius, **options)
        assert default(x, mask, 4).telemetry["agreement"] == 1.0
        # At the default λ = 4 a token at the edge of its chunk gives 1/(1 + e⁴) to the next.
        assert_close("default", fixed.pool(x), default.eval()(x, mask, 4).pool(x), atol=0.1)


def test_gumbel_is_one_hot_noisy_in_training_and_still_in_evaluation() -> None:
    built, x = router(sampling="gumbel", logits="content", distance=0.05), states(2, 20)
    with torch.no_grad():
        first, again = built(x, None, 4).weights, built(x, None, 4).weights
        assert torch.equal(first, again) and set(first.unique().tolist()) == {0.0, 1.0}
        built.train()
        torch.manual_seed(1)
        noisy, other = built(x, None, 4).weights, built(x, None, 4).weights
    assert not torch.equal(noisy, other)
    assert_close("rows", torch.ones(2, 20), noisy.sum(dim=-1), atol=1e-6)


@pytest.mark.parametrize("sampling", ["softmax", "gumbel"])
def test_half_precision_decides_in_fp32(sampling: Any) -> None:
    built, x = router(sampling=sampling, logits="content"), states(2, 20)
    for dtype in (torch.float16, torch.bfloat16):
        assignment = built.to(dtype)(x.to(dtype), None, 4)
        assert assignment.weights.dtype == torch.float32
        assert assignment.pool(x.to(dtype)).dtype == dtype
    with torch.autocast("cpu", torch.bfloat16):
        assert built.float()(x, None, 4).weights.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("radius", [0, 2])
def test_compiled_training_gives_the_same_gradients(radius: int) -> None:
    """Without noise: position logits, soft sampling; with noise the draws differ, so only finiteness is asked."""
    for sampling in ("softmax", "gumbel"):
        built = router(sampling=sampling, radius=radius, temperature=1e-3, min_temperature=1e-3).train()
        x = states(2, 20)

        def loss(x: Tensor, built: Learned = built) -> Tensor:
            assignment = built(x, None, 4)
            return assignment.broadcast(assignment.pool(x)).square().sum()

        loss(x).backward()
        eager = [p.grad.clone() for p in built.parameters()]
        built.zero_grad()
        torch.compile(loss)(x).backward()
        for name, expected, p in zip(dict(built.named_parameters()), eager, built.parameters(), strict=True):
            assert torch.isfinite(p.grad).all(), name
            if sampling == "softmax":
                assert_close(name, expected, p.grad, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("done", "expected"), [(0.0, 1.0), (0.25, math.exp(-0.25)), (1.0, 0.5)])
def test_temperature_follows_the_training_and_stays_with_the_weights(done: float, expected: float) -> None:
    built = router(stir=0.0, anneal=1.0).train()
    built.set_progress(done)
    assert float(built(states(1, 8), None, 4).telemetry["temperature"]) == pytest.approx(expected)
    other = router(anneal=1.0).train()
    other.load_state_dict(built.state_dict())
    assert float(other(states(1, 8), None, 4).telemetry["temperature"]) == pytest.approx(expected)


def test_a_constant_temperature_below_the_least_is_kept() -> None:
    built = router(temperature=0.1, min_temperature=0.5).train()
    assert float(built(states(1, 8), None, 4).telemetry["temperature"]) == pytest.approx(0.1)


def test_a_distance_that_is_not_there_cannot_be_let_go() -> None:
    with pytest.raises(ValueError, match="release lets go of a distance, which is 0"):
        Learned(DIMS, release=8.0, distance=0.0)


def test_frozen_routing_is_random_and_has_nothing_to_train() -> None:
    torch.manual_seed(0)
    built, x = Learned(DIMS, logits="content", frozen=True, distance=0.0), states(4, 32)
    assert not any(p.requires_grad for p in built.parameters())
    telemetry = built(x, None, 4).telemetry
    assert 0.02 < float(telemetry["agreement"]) < 0.4, "1/8 by chance"


def test_lengths_that_it_was_not_built_for_are_refused() -> None:
    for logits in ("content", "position"):
        with pytest.raises(ValueError, match=r"68 tokens in 17 clusters, .* built for 16 clusters; raise model\.dims"):
            Learned(DIMS, logits=logits)(states(1, 68), None, 4)
    with pytest.raises(ValueError, match=r"65 tokens, but lots were drawn for seq_len = 64"):
        ShuffledChunk(DIMS)(states(1, 65), None, 4)
