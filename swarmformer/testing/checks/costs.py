"""The closed form of the cost against a count of what is computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.contracts import Assignment, Component
from swarmformer.contracts.component import COUNTED
from swarmformer.cost.operations import backward, counting
from swarmformer.ops.switch import use_fast
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import apply, chunks, inputs, lengths_for
from swarmformer.testing.require import NotApplicableError, require

SIZE = DIMS.cluster_size


@check("embedding", "local", "cluster", "pooling", "feedback", "channel", "model")
def flops_equal_the_counted(case: Case) -> None:
    """``flops`` at many sizes; a feedback without what it sends through ``broadcast``, which is the router's."""
    component = case.build()
    for B, N in ((B, N) for B in (1, 3) for N in lengths_for(case)):
        x = inputs(case.slot, B, N)
        stated = component.flops(*_sizes(case.slot, B, N))
        with counting(component) as counter:
            apply(case.slot, component, x, torch.ones(B, N, dtype=torch.bool))
        _compare(f"flops({B}, {N})", stated, counter.get_total_flops())
    _say_if_counted(component)


@check("embedding", "local", "cluster", "pooling", "feedback", "channel", "model")
def training_flops_equal_the_counted(case: Case) -> None:
    """``training_flops``, of forward and backward, where the input wants a gradient as the parameters do."""
    component = case.build()
    for B, N in _few_sizes(case):
        x, mask = inputs(case.slot, B, N), torch.ones(B, N, dtype=torch.bool)
        wanted = _wanted(component, x)
        with counting(component, training=True) as counter:
            if case.slot == "model":
                output = component.detailed(x, mask)
                backward([output.logits_BK, *output.losses.values()], wanted)
            else:
                backward([apply(case.slot, component, x, mask)], wanted)
        stated = component.training_flops(*_sizes(case.slot, B, N))
        _compare(f"training_flops({B}, {N})", stated, counter.get_total_flops())
    _say_if_counted(component)


def _say_if_counted(component: Component) -> None:
    """What has no closed form has been counted twice, without values and with them: there was nothing to state."""
    if component.flops_source == COUNTED:
        raise NotApplicableError("states no flops in closed form: they are counted, alike with weights and without")


def _sizes(slot: str, B: int, N: int) -> tuple[int, ...]:
    """What ``flops`` of a slot takes; of a cluster mixer N is the number of clusters."""
    return (B, N, -(-N // SIZE)) if slot == "feedback" else (B, N)


def _few_sizes(case: Case) -> list[tuple[int, int]]:
    """B and N at which training is counted, which takes long: the longest that does not divide, and the longest."""
    lengths = lengths_for(case)
    return [(2, max(lengths, key=lambda N: (N % SIZE != 0, N))), (1, lengths[-1])]


def _wanted(component: nn.Module, x: Tensor) -> list[Tensor]:
    learned: list[Tensor] = [parameter for parameter in component.parameters() if parameter.requires_grad]
    return [x.requires_grad_(), *learned] if x.is_floating_point() else learned


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
    _say_if_counted(router)


def _broadcast(router: nn.Module, assignment: Any, c_BCX: Tensor) -> int:
    with counting(router) as counter:
        assignment.broadcast(c_BCX)
    return counter.get_total_flops()


@check("router")
def router_training_flops_equal_the_counted(case: Case) -> None:
    """``training_flops`` with signal and losses; ``broadcast_training_flops`` where what is sent wants a gradient."""
    router = case.build()
    for B, N in _few_sizes(case):
        x, mask = inputs("router", B, N), torch.ones(B, N, dtype=torch.bool)
        wanted = _wanted(router, x)
        routing = _counted_training(router, x, mask, wanted, width=0)
        _compare(f"training_flops({B}, {N}, {SIZE})", router.training_flops(B, N, SIZE), routing)
        for width in (1, DIMS.d_model):
            sent = _counted_training(router, x, mask, wanted, width) - routing
            stated = router.broadcast_training_flops(B, N, SIZE, width)
            _compare(f"broadcast_training_flops({B}, {N}, {SIZE}, {width})", stated, sent)
    _say_if_counted(router)


def _counted_training(router: Any, x: Tensor, mask: Tensor, wanted: list[Tensor], width: int) -> int:
    """One routing and pool, and a broadcast of so many columns of what was pooled."""
    with counting(router, training=True) as counter:
        assignment: Assignment = router(x, mask, SIZE)
        pooled = assignment.pool(x)
        signal = [] if assignment.signal_BC is None else [assignment.signal_BC]
        sent = [assignment.broadcast(pooled[..., :width])] if width else []
        backward([pooled, *signal, *assignment.losses.values(), *sent], wanted)
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
