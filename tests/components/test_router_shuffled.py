"""The shuffled placebo: the sizes of chunks, other members."""

from __future__ import annotations

import pytest
import torch

from swarmformer.components.router.shuffled_chunk import ShuffledChunk
from tests.components.cases import prefix_mask
from tests.components.routing import DIMS, D, states
from tests.helpers import assert_close


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
