"""Losses, coherence and telemetry of routing in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from swarmformer.assignment.losses import balance_loss, coherence, coherence_loss, routing_telemetry, z_loss
from swarmformer.assignment.reach import Everywhere, WeightedAssignment
from tests.components.cases import prefix_mask
from tests.components.routing import D, router, states
from tests.helpers import assert_close


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


def test_balance_loss_counts_the_clusters_of_a_text_and_not_those_of_its_batch() -> None:
    """Four tokens, evenly in two clusters, in a batch of eight tokens and four clusters."""
    logits = torch.eye(4).repeat_interleave(2, dim=0)[None] * 50
    real = prefix_mask([4], 8)
    assert float(balance_loss(assigned(logits.softmax(dim=-1), 2, real), logits, real)) == pytest.approx(1.0)


@pytest.mark.parametrize("radius", [0, 1])
def test_losses_of_a_text_are_those_of_it_padded(radius: int) -> None:
    options = {"logits": "content", "distance": 0.2, "balance_weight": 1.0, "z_weight": 1.0}
    built, x = router(radius=radius, **options).train(), states(1, 16)
    alone = built(x[:, :6], None, 4).losses
    padded = built(x, prefix_mask([6], 16), 4).losses
    assert alone.keys() == padded.keys() == {"balance", "z"}
    for name, loss in alone.items():
        assert_close(name, loss, padded[name], atol=1e-6, rtol=1e-6)


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
    assert {"balance", "z", "coherence", "dead_share"} <= set(outputs[0])
    for name, value in outputs[0].items():
        assert_close(name, value.float(), outputs[1][name].float(), atol=1e-5)


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
