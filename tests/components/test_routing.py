"""Learned routing against loops over tokens and clusters, closed forms, and its limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.components.router.learned import Learned
from swarmformer.components.router.shuffled_chunk import ShuffledChunk
from swarmformer.components.routing.assignment import WeightedAssignment
from swarmformer.components.routing.losses import balance_loss, coherence, coherence_loss, z_loss
from swarmformer.components.routing.reach import Everywhere, Nearby
from swarmformer.components.routing.sampling import gumbel_noise, sample, sharpened
from swarmformer.components.routing.telemetry import routing_telemetry
from swarmformer.interfaces import Dims
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D = 12
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=64, num_classes=2)


def router(seed: int = 0, stir: float = 0.5, **options: Any) -> Learned:
    """A router in eval mode whose parameters have left their starting point."""
    torch.manual_seed(seed)
    built = Learned(DIMS, **options).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn_like(parameter) * stir)
    return built


def states(B: int, N: int, seed: int = 1) -> Tensor:
    return torch.randn(B, N, D, generator=torch.Generator().manual_seed(seed))


# The reach: everything about a token's candidate clusters.


def dense(reach: Nearby, laid_out: Tensor) -> Tensor:
    """[b, C, S, R] → [b, N, C], zero for clusters out of reach; written with loops."""
    b = laid_out.shape[0]
    full = torch.zeros(b, reach.length, reach.clusters)
    for i in range(reach.length):
        own = i // reach.size
        for o in range(reach.candidates):
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

    weights = torch.rand(2, C, size, near.candidates, generator=generator)
    weights = weights * near.of_clusters(torch.ones(2, C)) * near.of_tokens(torch.ones(2, length))
    full = dense(near, weights)
    assert_close("total", far.total(full, k), near.total(weights, k), atol=1e-4)
    assert_close("spread", far.spread(full, q), near.spread(weights, q), atol=1e-4)
    assert_close("mass", far.mass(full), near.mass(weights), atol=1e-4)


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


# The whole router.


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
        assert_close("pool", fixed.pool(x), learned.pool(x), atol=1e-4)
        expected = fixed.broadcast(fixed.pool(x)) * mask.unsqueeze(-1)
        assert_close("broadcast", expected, learned.broadcast(learned.pool(x)), atol=1e-4)
        default = Learned(DIMS, radius=radius, **options)
        assert default(x, mask, 4).telemetry["agreement"] == 1.0
        # At the default λ = 4 a token at the edge of its chunk gives 1/(1 + e⁴) to the next.
        assert_close("default", fixed.pool(x), default.eval()(x, mask, 4).pool(x), atol=0.25)


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


def test_gumbel_draws_clusters_as_often_as_the_softmax_says() -> None:
    """The Gumbel-max theorem, whatever the temperature."""
    logits = torch.tensor([0.0, 1.0, -1.0, 0.5])
    torch.manual_seed(0)
    drawn = sample(logits.expand(40_000, 4), torch.tensor(0.1), "gumbel", training=True).mean(dim=0)
    assert_close("shares", logits.softmax(dim=0), drawn, atol=0.01)


@pytest.mark.parametrize("sampling", ["softmax", "gumbel"])
@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_sampling_is_finite_at_any_temperature(sampling: Any, temperature: float, scale: float) -> None:
    logits = (torch.randn(64, 9) * scale).requires_grad_()
    masked = logits.masked_fill(torch.rand(64, 9) < 0.3, -math.inf)
    masked = torch.cat([masked, logits[:, :1]], dim=-1)
    weights = sample(masked, torch.tensor(temperature), sampling, training=True)
    (weights * torch.randn(64, 10)).sum().backward()
    assert torch.isfinite(weights).all() and torch.isfinite(logits.grad).all()
    assert_close("rows", torch.ones(64), weights.sum(dim=-1), atol=1e-5)


def test_sharpened_is_the_softmax_of_the_divided_logits() -> None:
    logits = torch.randn(5, 7)
    assert_close("softmax", (logits / 0.3).softmax(dim=-1), sharpened(logits, torch.tensor(0.3)), atol=1e-6)


def test_gumbel_noise_has_the_moments_of_its_law() -> None:
    torch.manual_seed(0)
    noise = gumbel_noise(torch.zeros(400_000, dtype=torch.bfloat16))
    assert noise.dtype == torch.float32 and torch.isfinite(noise).all()
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.03)


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


# Losses.


def assigned(weights: Tensor, size: int, real: Tensor) -> WeightedAssignment:
    reach = Everywhere(weights.shape[1], size)
    present = torch.stack([real[:, j * size : (j + 1) * size].any(dim=1) for j in range(weights.shape[2])], dim=1)
    return WeightedAssignment(reach, weights * real.unsqueeze(-1), present)


def test_balance_loss_is_one_when_even_and_the_number_of_clusters_when_all_is_in_one() -> None:
    real = torch.ones(1, 8, dtype=torch.bool)
    even = torch.eye(4).repeat_interleave(2, dim=0)[None] * 50
    one = torch.zeros(1, 8, 4)
    one[..., 2] = 50
    for logits, expected in ((even, 1.0), (one, 4.0)):
        assignment = assigned(logits.softmax(dim=-1), 2, real)
        assert float(balance_loss(assignment, logits, real)) == pytest.approx(expected, rel=1e-5)


def test_balance_and_z_loss_do_not_see_pads() -> None:
    torch.manual_seed(0)
    logits, real = torch.randn(2, 8, 4), prefix_mask([8, 6], 8)
    logits[:, :, 3] = logits[:, :, 3].masked_fill(~torch.tensor([[True], [False]]), -math.inf)
    scores, allowed = torch.randn(2, 8, 4), logits > -math.inf
    changed = torch.where(real.unsqueeze(-1), logits, logits + torch.randn(2, 8, 1) * torch.arange(4.0))
    results = [
        (
            balance_loss(assigned(values.softmax(dim=-1), 2, real), values, real),
            z_loss(Everywhere(8, 2), torch.where(real.unsqueeze(-1), scores, moved), allowed, real),
        )
        for values, moved in ((logits, scores), (changed, scores + 1))
    ]
    assert torch.equal(torch.stack(results[0]), torch.stack(results[1]))


def test_z_loss_in_closed_form() -> None:
    scores = torch.tensor([[[0.0, 0.0], [math.log(3.0), 0.0], [9.0, 9.0]]])
    real = torch.tensor([[True, True, False]])
    expected = (math.log(2.0) ** 2 + math.log(4.0) ** 2) / 2
    allowed = torch.ones(1, 3, 2, dtype=torch.bool)
    assert float(z_loss(Everywhere(3, 2), scores, allowed, real)) == pytest.approx(expected)


def test_coherence_is_one_where_tokens_agree_and_zero_where_they_cancel() -> None:
    z = torch.zeros(1, 4, D)
    z[0, :2, 0], z[0, 2, 1], z[0, 3, 1] = torch.tensor([2.0, 7.0]), 3.0, -5.0
    weights = torch.tensor([[[1.0, 0], [1, 0], [0, 1], [0, 1]]])
    kappa = coherence(assigned(weights, 2, torch.ones(1, 4, dtype=torch.bool)), z)
    assert_close("κ", torch.tensor([[1.0, 0.0]]), kappa, atol=1e-6)


def test_coherence_loss_is_lower_where_clusters_agree() -> None:
    z = torch.zeros(1, 4, D)
    z[0, :2, 0], z[0, 2:, 1] = 1.0, 1.0
    real = torch.ones(1, 4, dtype=torch.bool)
    alike, mixed = torch.eye(2).repeat_interleave(2, dim=0)[None], torch.eye(2).repeat(2, 1)[None]
    good, bad = (coherence_loss(assigned(w, 2, real), z, real) for w in (alike, mixed))
    # Own mean: cosine 1, the other 0, at temperature 0.1; mixed: both means are alike for every token.
    assert float(good) == pytest.approx(math.log1p(math.exp(-10.0)), abs=1e-6)
    assert float(bad) == pytest.approx(math.log(2.0), rel=1e-5)


def test_the_signal_is_log_coherence_and_silent_clusters_are_neutral() -> None:
    built, x, mask = router(coherence_signal=True), states(2, 12), prefix_mask([12, 4], 12)
    with torch.no_grad():
        assignment = built(x, mask, 4)
    assert assignment.signal_BC is not None and (assignment.signal_BC <= 1e-6).all()
    assert_close("κ", coherence(assignment, x)[0].log(), assignment.signal_BC[0], atol=1e-6)
    assert assignment.signal_BC[1, 1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("radius", [0, 2])
def test_losses_are_switched_one_by_one_and_reach_the_logits(radius: int) -> None:
    x, mask = states(3, 14), prefix_mask([14, 6, 0], 14)
    for name in ("balance", "z", "coherence"):
        built = router(logits="content", distance=0.2, radius=radius, coherence_warmup=0.5, **{f"{name}_weight": 0.3})
        assert not built(x, mask, 4).losses, "none in evaluation"
        built.train().set_progress(0.5)
        losses = built(x, mask, 4).losses
        assert set(losses) == {name}
        losses[name].backward()
        gradient = built.key.weight.grad
        assert torch.isfinite(gradient).all() and gradient.abs().max() > 0
    built.set_progress(0.4)
    assert built(x, mask, 4).losses["coherence"].item() == 0.0, "before the warm-up ends"


def test_radius_does_not_change_losses_and_telemetry_where_it_reaches_everything() -> None:
    options = {"logits": "content", "distance": 0.3, "balance_weight": 1.0, "z_weight": 1.0, "coherence_weight": 1.0}
    x, mask = states(2, 14), prefix_mask([14, 6], 14)
    outputs = []
    for radius in (0, 4):
        built = router(radius=radius, coherence_warmup=0.0, **options).train()
        assignment = built(x, mask, 4)
        outputs.append({**assignment.losses, **assignment.telemetry})
    for name, value in outputs[0].items():
        assert_close(name, value.float(), outputs[1][name].float(), atol=1e-5)


# Telemetry.


def telemetry(weights: Tensor, real: Tensor) -> dict[str, float]:
    assignment = assigned(weights, 2, real)
    return {k: float(v) for k, v in routing_telemetry(assignment, weights.log(), real).items()}


def test_telemetry_of_chunks_of_one_cluster_and_of_no_text() -> None:
    real = torch.ones(1, 8, dtype=torch.bool)
    chunks, one = torch.eye(4).repeat_interleave(2, dim=0)[None], torch.eye(4)[torch.zeros(8, dtype=torch.long)][None]
    assert telemetry(chunks, real) == pytest.approx({"effective_clusters": 1, "dead_share": 0, "agreement": 1})
    assert telemetry(one, real) == pytest.approx({"effective_clusters": 0.25, "dead_share": 0.75, "agreement": 0.25})
    assert telemetry(one, ~real) == pytest.approx({"effective_clusters": 0, "dead_share": 0, "agreement": 0})
    # A text of four tokens in a batch of eight has two clusters.
    both = telemetry(torch.cat([chunks, chunks]), prefix_mask([8, 4], 8))
    assert both == pytest.approx({"effective_clusters": 1, "dead_share": 0, "agreement": 1})


# The shuffled placebo.


@pytest.mark.parametrize("lengths", [[23, 9], [1, 4], [0, 3]])
def test_shuffled_clusters_have_the_sizes_of_chunks_and_other_members(lengths: list[int]) -> None:
    torch.manual_seed(0)
    built, N = ShuffledChunk(DIMS), max(lengths)
    x, mask = states(2, N), prefix_mask(lengths, N)
    assignment = built(x, mask, 4)
    pooled = assignment.pool(x)
    for b, length in enumerate(lengths):
        members = sorted(range(length), key=lambda i: float(built.lots_N[i]))
        for j in range(-(-N // 4)):
            group = members[4 * j : 4 * j + 4]
            expected = x[b, group].mean(dim=0) if group else torch.zeros(D)
            assert_close("pool", expected, pooled[b, j], atol=1e-6)
            for i in group:
                assert torch.equal(assignment.broadcast(pooled)[b, i], pooled[b, j])


def test_shuffling_stays_with_the_weights() -> None:
    first, second, x = ShuffledChunk(DIMS), ShuffledChunk(DIMS), states(1, 20)
    assert not torch.equal(first(x, None, 4).order_BN, second(x, None, 4).order_BN)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x, None, 4).order_BN, second(x, None, 4).order_BN)
