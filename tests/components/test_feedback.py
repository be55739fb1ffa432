"""Feedback blocks: the exact shortcut of the gated MLP, its start, and what a router's signal does to gates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.components.feedback.gated_linear import GatedLinear
from swarmformer.components.feedback.gated_mlp import GatedMLP
from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.components.router.learned import Learned
from swarmformer.contracts import Assignment, Dims, Feedback, Router
from tests.components.cases import prefix_mask
from tests.helpers import assert_close

D = 12
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=64, num_classes=2)


def stirred(block: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return block.eval()


def naive(block: GatedMLP, x: Tensor, c: Tensor, assignment: Assignment, norm: torch.nn.Module) -> Tensor:
    """The definition, with the concatenation [norm(x); r] built for every token."""
    weight = torch.cat([block.of_token.weight, block.of_cluster.weight], dim=1)
    both = F.linear(torch.cat([norm(x), assignment.broadcast(c)], dim=-1), weight, block.of_token.bias)
    hidden, gate = F.gelu(both[..., : block.hidden]), F.gelu(both[..., block.hidden :])
    score = block.gate_out(gate)
    if assignment.signal_BC is not None:
        score = score + assignment.broadcast(assignment.signal_BC.unsqueeze(-1))
    gamma = 1.0 if block.scale is None else block.scale
    return x + gamma * score.sigmoid() * block.out(hidden)


@pytest.mark.parametrize("start", ["scale", "gate"])
@pytest.mark.parametrize("hidden", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    "router",
    [FixedChunk(DIMS), Learned(DIMS, logits="content", distance=0.3, coherence_signal=True), Learned(DIMS, radius=1)],
    ids=["chunks", "soft", "nearby"],
)
def test_the_cluster_half_may_be_computed_once_per_cluster(start, hidden: float, router: Router) -> None:
    torch.manual_seed(0)
    block, router, norm = stirred(GatedMLP(DIMS, hidden=hidden, start=start)), stirred(router), torch.nn.LayerNorm(D)
    x, mask = torch.randn(2, 14, D), prefix_mask([14, 9], 14)
    with torch.no_grad():
        assignment = router(x, mask, 4)
        c = assignment.pool(x)
        expected = naive(block, x, c, assignment, norm)
        assert_close("gated_mlp", expected[mask], block(x, c, assignment, norm)[mask], atol=1e-5)


@pytest.mark.parametrize("start", ["scale", "gate"])
def test_gated_mlp_starts_small(start) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 16, D)
    assignment = FixedChunk(DIMS)(x, None, 4)
    moved = {}
    for block in (GatedMLP(DIMS, start=start).eval(), GatedLinear(DIMS).eval()):
        with torch.no_grad():
            moved[type(block).__name__] = (block(x, assignment.pool(x), assignment) - x).norm() / x.norm()
    assert moved["GatedMLP"] < (0.005 if start == "scale" else 0.05) < moved["GatedLinear"]


@pytest.mark.parametrize("block", [GatedLinear(DIMS), GatedMLP(DIMS)], ids=["gated_linear", "gated_mlp"])
def test_a_signal_of_minus_infinity_closes_the_gate(block: Feedback) -> None:
    torch.manual_seed(0)
    block, x = stirred(block), torch.randn(1, 8, D)
    with torch.no_grad():
        assignment = FixedChunk(DIMS)(x, None, 4)
        c = assignment.pool(x)
        plain = block(x, c, assignment)
        assignment.signal_BC = torch.tensor([[0.0, -1e9]])
        heard = block(x, c, assignment)
    assert torch.equal(heard[:, 4:], x[:, 4:]), "tokens of the second cluster hear nothing"
    assert_close("first cluster", plain[:, :4], heard[:, :4], atol=1e-6)
