from __future__ import annotations

import pytest
import torch
from torch import nn

from swarmformer.components.embedding.token_position import TokenPositionEmbedding
from swarmformer.cost.limits import LimitError, Work, forward_work, judge
from swarmformer.cost.machine import Limits

LIMITS = Limits(1e9, 1e8, (1, 1, 1), "none", {1000: 1e9, 10_000: 4e8})


@pytest.mark.parametrize(
    ("work", "least_s", "compute_s"),
    [
        (Work(2 * 10**6, 100), 2e-3, 2e-3),
        (Work(10, 1000), 1e-6, 1e-8),  # copied in the cache
        (Work(10, 1001), 1001 / 4e8, 1e-8),
        (Work(10, 10**6), 1e-2, 1e-8),
    ],
)
def test_least_time_is_the_larger_of_the_two(work, least_s, compute_s):
    found = judge("a", work, 0.02, LIMITS)
    assert found["least_s"] == pytest.approx(least_s)
    assert found["share_of_least"] == pytest.approx(least_s / 0.02)
    assert found["share_of_limit"] == pytest.approx(compute_s / 0.02)
    assert found["least_s"] == pytest.approx(
        max(work.flops / found["limit_flops_per_s"], work.least_bytes / found["limit_bytes_per_s"])
    )


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (Work(10**7, 8), "1e\\+07 FLOPs.*2.00 times.*matrix-product"),
        (Work(8, 10**6), "1e\\+06 bytes.*2.00 times.*copying"),
    ],
)
def test_what_breaks_physics_is_refused(work, message):
    half = 0.5 * judge("a", work, 1.0, LIMITS)["least_s"]
    with pytest.raises(LimitError, match=f"planted: {message}"):
        judge("planted", work, half, LIMITS)
    assert judge("a", work, 2 * half, LIMITS)["share_of_least"] == pytest.approx(1.0)


def test_operations_that_a_fast_path_saves_are_not_in_the_least_time():
    found = judge("a", Work(4 * 10**6, 8, computed_flops=10**6), 2e-3, LIMITS)
    assert (found["flops"], found["computed_flops"], found["least_s"]) == (4 * 10**6, 10**6, pytest.approx(1e-3))
    with pytest.raises(LimitError, match=r"1e\+06 FLOPs.*2\.00 times"):
        judge("a", Work(1, 8, computed_flops=10**6), 0.5e-3, LIMITS)


def test_least_bytes_by_hand(dims, wrap):
    """ids, the rows looked up, each weight once (shared ones too), logits; what is not looked up is not read."""
    shared = nn.Linear(8, 8)
    model = wrap(dims, nn.Sequential(shared, shared))
    ids_BN = torch.tensor([[3, 3, 5], [7, 5, 3]])
    expected = 6 * 8 + 3 * 8 * 4 + (8 * 8 + 8) * 4 + 2 * dims.num_classes * 4
    assert forward_work(model, ids_BN, 17) == Work(17, expected)
    assert forward_work(model.to(torch.bfloat16), ids_BN, 17) == Work(17, 6 * 8 + (expected - 6 * 8) // 2)


def test_positions_beyond_the_text_are_not_counted(dims, wrap):
    model = wrap(dims, nn.Identity())
    model.table = TokenPositionEmbedding(dims)
    assert forward_work(model, torch.zeros(1, 2, dtype=torch.int64), 0).least_bytes == 2 * 8 + 8 * 4 + 3 * 4
