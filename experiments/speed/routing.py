"""The learned router with neighbouring clusters: how its cost grows with the length."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from swarmformer.components.router.learned import Learned
from swarmformer.contracts import Dims
from swarmformer.testing import assert_close

from ..speed.figure import Arm, Group, Target

AGREEMENT = 1e-5


def group(
    *,
    short: int = 4_096,
    long: int = 16_384,
    batch: int = 8,
    d_model: int = 128,
    cluster_size: int = 8,
    radius: int = 2,
) -> Group:
    """Seconds of longer texts over those of texts a quarter as long, of which linear growth is 4.

    The router by content has agreed with whole matrices at a short length first.

    Raises:
        ViolationError: pooled or broadcast values are not those of a matrix of all tokens and clusters.
    """
    _check(d_model, cluster_size, radius)
    calls = {length: _at(length, batch, d_model, cluster_size, radius) for length in (short, long)}
    title = f"router with {radius} neighbours either side, {batch} × {long}: growth from {short}"
    figure = Target(title, (f"{short} tokens",), f"{long} tokens", 4.4, 4.0, growth=True)
    return Group({f"{length} tokens": Arm(call, batch) for length, call in calls.items()}, (figure,))


def _router(length: int, d_model: int, cluster_size: int, radius: int) -> Learned:
    """Stirred, so that content decides and not the distance alone."""
    dims = Dims(
        vocab_size=2, d_model=d_model, num_layers=1, cluster_size=cluster_size, seq_len=length, num_classes=2
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        router = Learned(dims, logits="content", radius=radius, distance=0.1)
        assert router.query is not None
        torch.nn.init.normal_(router.query.weight, std=d_model**-0.5)
        torch.nn.init.normal_(router.slot_CX)
    return router.eval()


def _at(length: int, batch: int, d_model: int, cluster_size: int, radius: int) -> Callable[[], Tensor]:
    """Routes, pools and broadcasts text by text, as a model evaluates long texts; returns the last text's result."""
    router = _router(length, d_model, cluster_size, radius)
    generator = torch.Generator().manual_seed(0)
    x_BND = torch.randn(batch, length, d_model, generator=generator)
    mask_1N = torch.ones(1, length, dtype=torch.bool)

    @torch.no_grad()
    def evaluate() -> Tensor:
        for x_1ND in x_BND.split(1):
            assignment = router(x_1ND, mask_1N, cluster_size)
            out = assignment.broadcast(assignment.pool(x_1ND))
        return out

    return evaluate


@torch.no_grad()
def _check(d_model: int, cluster_size: int, radius: int) -> None:
    N = 9 * cluster_size - 1
    router = _router(N, d_model, cluster_size, radius)
    x_1ND = torch.randn(1, N, d_model, generator=torch.Generator().manual_seed(1))
    assignment = router(x_1ND, torch.ones(1, N, dtype=torch.bool), cluster_size)
    weights_NC = _weights(router, x_1ND[0], cluster_size)
    pooled_CD = weights_NC.T @ x_1ND[0] / weights_NC.sum(dim=0).clamp(min=1).unsqueeze(-1)
    assert_close("pooled", pooled_CD, assignment.pool(x_1ND)[0], atol=AGREEMENT)
    assert_close("broadcast", weights_NC @ pooled_CD, assignment.broadcast(pooled_CD[None])[0], atol=AGREEMENT)


def _weights(router: Learned, x_ND: Tensor, size: int) -> Tensor:
    """Of every token and cluster, as the router's docstring defines them; zero beyond the radius."""
    assert router.query is not None and router.log_distance is not None
    means_CD = torch.stack([chunk.mean(dim=0) for chunk in x_ND.split(size)])
    C, D = means_CD.shape
    keys = router.key(torch.nn.functional.rms_norm(x_ND, (D,)))
    queries = router.query(torch.nn.functional.rms_norm(means_CD, (D,))) + router.slot_CX[:C]
    token, cluster = torch.arange(len(x_ND))[:, None], torch.arange(C)
    away = (token - cluster * size - (size - 1) / 2).abs()
    logits = keys @ queries.T / math.sqrt(router.width) - router.log_distance.exp() * away
    beyond = (token // size - cluster).abs() > router.radius
    return logits.masked_fill(beyond, float("-inf")).softmax(dim=-1)
