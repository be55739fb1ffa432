"""The closed form of the cost against a count of what is computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.cost.operations import counting
from swarmformer.fast import use_fast
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import apply, chunks, inputs, lengths_for
from swarmformer.testing.require import require

SIZE = DIMS.cluster_size


@check("embedding", "local", "cluster", "pooling", "feedback", "model")
def flops_equal_the_counted(case: Case) -> None:
    """``flops`` at many sizes; a feedback without what it sends through ``broadcast``, which is the router's."""
    component = case.build()
    for B, N in ((B, N) for B in (1, 3) for N in lengths_for(case)):
        x = inputs(case.slot, B, N)
        stated = component.flops(B, N, -(-N // SIZE)) if case.slot == "feedback" else component.flops(B, N)
        with counting(component) as counter:
            apply(case.slot, component, x, torch.ones(B, N, dtype=torch.bool))
        _compare(f"flops({B}, {N})", stated, counter.get_total_flops())


@check("router")
def router_flops_equal_the_counted(case: Case) -> None:
    """``flops`` is routing and one ``pool`` of width D; ``broadcast_flops`` is one broadcast of some columns."""
    router = case.build()
    for B, N in ((B, N) for B in (1, 3) for N in lengths_for(case)):
        x = inputs("router", B, N)
        with counting(router) as counter:
            assignment = router(x, torch.ones(B, N, dtype=torch.bool), SIZE)
            c_BCD = assignment.pool(x)
        _compare(f"flops({B}, {N}, {SIZE})", router.flops(B, N, SIZE), counter.get_total_flops())
        for width in (1, DIMS.d_model, 2 * DIMS.d_model):
            c_BCX = torch.cat([c_BCD, c_BCD], dim=-1)[..., :width]
            stated, counted = router.broadcast_flops(B, N, SIZE, width), _broadcast(router, assignment, c_BCX)
            _compare(f"broadcast_flops({B}, {N}, {SIZE}, {width})", stated, counted)


def _broadcast(router: nn.Module, assignment: Any, c_BCX: Tensor) -> int:
    with counting(router) as counter:
        assignment.broadcast(c_BCX)
    return counter.get_total_flops()


@check("feedback")
def broadcast_width_is_what_is_sent(case: Case) -> None:
    """``broadcast_width`` is the number of columns that go through ``Assignment.broadcast``."""
    component = case.build()
    for N in lengths_for(case):
        x = inputs(case.slot, 2, N)
        assignment = chunks(x, torch.ones(2, N, dtype=torch.bool))
        sent: list[int] = []
        broadcast = assignment.broadcast

        def recorded(c_BCX: Tensor, broadcast: Any = broadcast, sent: list[int] = sent) -> Tensor:
            sent.append(c_BCX.shape[-1])
            return broadcast(c_BCX)

        assignment.broadcast = recorded  # type: ignore[method-assign]
        with torch.no_grad(), use_fast(False):  # a fast path may send more to compute less
            component(x, assignment.pool(x), assignment)
        _compare("broadcast_width", component.broadcast_width, sum(sent))


def _compare(name: str, stated: int, counted: int) -> None:
    require(isinstance(stated, int), f"{name} is {stated!r}, expected an int")
    require(stated == counted, f"{name} says {stated:,}, but {counted:,} are counted")
