"""The cost of components that state none: counted while a copy without memory runs, on the meta device.

Nothing depends on values there, so the count is that of the sizes alone, and it is kept: plans ask for it often.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.contracts import (
    Assignment,
    Channel,
    Cluster,
    Component,
    Dims,
    Embedding,
    Feedback,
    Local,
    Model,
    Pooling,
    Router,
)
from swarmformer.contracts.component import COUNTED
from swarmformer.cost.operations import LeftOut, backward, counting
from swarmformer.cost.parts import sizes_of
from swarmformer.errors import ComponentError
from swarmformer.records.base import in_a_line

META = torch.device("meta")
_counts: dict[Hashable, int] = {}
_left_out: dict[Hashable, tuple[str, ...]] = {}


class Copies(Assignment):
    """Consecutive tokens share a cluster: without any product, and with a record of the columns that are sent."""

    def __init__(self, N: int, C: int) -> None:
        super().__init__()
        self.N, self.C, self.sent = N, C, 0

    def pool(self, x_BND: Tensor) -> Tensor:
        return x_BND.new_empty(len(x_BND), self.C, x_BND.shape[-1])

    def broadcast(self, c_BCX: Tensor) -> Tensor:
        self.sent += c_BCX.shape[-1]
        return c_BCX.repeat_interleave(-(-self.N // self.C), dim=1)[:, : self.N]


def count(component: Component, what: str, sizes: Sequence[int]) -> int:
    """``flops``, ``training_flops`` or another method of a component, which take ``sizes``, by its name.

    Raises:
        ComponentError: it cannot run without values; says what to write.
    """
    learned = tuple((tuple(parameter.shape), parameter.requires_grad) for parameter in component.parameters())
    key = (type(component), repr(component.built_with), learned, what, *sizes)
    if key not in _counts:
        try:
            with torch.random.fork_rng(devices=[]):
                _counts[key] = COUNTERS[what](_without_memory(component), *sizes)
        except (NotImplementedError, RuntimeError) as error:
            name = f"{component.slot}.{component.registered_name or type(component).__name__}"
            raise ComponentError(
                f"{name}: {what} is counted on the meta device, but it cannot run there ({in_a_line(error)}). "
                f"{_remedy(str(error), what)}"
            ) from error
    return _counts[key]


def _remedy(error: str, what: str) -> str:
    if "in-place" in error:
        return "It changes what it is given: work on a copy"
    if "expected device" in error or "same device" in error:
        return ("It has a tensor that stays where it was made: make it with device=x.device, or register it as a "
                "buffer, self.register_buffer(name, tensor)")  # fmt: skip
    return f"Write {what}(self, …) that returns multiply-adds × 2, or keep its shapes free of values"


def remarks_of(model: Model) -> tuple[str, ...]:
    """Of each slot whose FLOPs are counted: what a pass over the longest text does there that the count leaves out."""
    parts = (part for part in model.modules() if isinstance(part, Component) and part.flops_source == COUNTED)
    said = {part.slot: _left_out_of(part, model.dims) for part in parts}
    why, advice = "as products of matrices alone are counted", "nothing is wrong with it, but judge its cost by latency"
    return tuple(f"{slot}: its FLOPs are too low, {why}, and not {', '.join(names)}; {advice}"
                 for slot, names in said.items() if names)  # fmt: skip


def _left_out_of(component: Component, dims: Dims) -> tuple[str, ...]:
    key = (type(component), repr(component.built_with))
    if key not in _left_out:
        with counting(component), LeftOut() as left_out, torch.random.fork_rng(devices=[]), META:
            _pass(_without_memory(component), *sizes_of(component.slot, dims, dims.seq_len))
        _left_out[key] = tuple(left_out.names)
    return _left_out[key]


def _without_memory(component: Component) -> Any:
    """A copy whose weights have shapes and no values."""
    tensors: dict[int, Any] = {id(buffer): buffer.to(META) for buffer in component.buffers()}
    for weight in component.parameters():
        tensors[id(weight)] = nn.Parameter(weight.to(META), requires_grad=weight.requires_grad)
    return copy.deepcopy(component, tensors)


def _flops(component: Any, *sizes: int) -> int:
    with counting(component) as counter, META:
        _pass(component, *sizes)
    return counter.get_total_flops()


def _training_flops(component: Any, *sizes: int) -> int:
    learned = [weight for weight in component.parameters() if weight.requires_grad]
    with counting(component, training=True) as counter, META:
        outputs, inputs = _pass(component, *sizes)
        backward(outputs, [*inputs, *learned])
    return counter.get_total_flops()


def _broadcast(count: Callable[..., int]) -> Callable[..., int]:
    """What sending so many columns back adds to routing."""
    return lambda router, B, N, size, width: count(router, B, N, size, width) - count(router, B, N, size)


def _broadcast_width(component: Any, B: int, N: int, C: int) -> int:
    assignment = Copies(N, C)
    with torch.no_grad(), META:
        _feedback(component.eval(), assignment, B)
    return assignment.sent


COUNTERS: dict[str, Callable[..., int]] = {
    "flops": _flops,
    "training_flops": _training_flops,
    "broadcast_flops": _broadcast(_flops),
    "broadcast_training_flops": _broadcast(_training_flops),
    "broadcast_width": _broadcast_width,
}


def _pass(component: Any, B: int, N: int, *more: int) -> tuple[list[Tensor], list[Tensor]]:
    """What comes out of a forward pass, and the inputs that may want a gradient; of clusters N is their number."""
    mask_BN = torch.ones(B, N, dtype=torch.bool)
    match component:
        case Embedding():
            return [component(torch.zeros(B, N, dtype=torch.int64))], []
        case Channel():
            return [component(torch.zeros(B, N, dtype=torch.int64), mask_BN)], []
        case Model():
            output = component.detailed(torch.zeros(B, N, dtype=torch.int64), mask_BN)
            return [output.logits_BK, *output.losses.values()], []
        case Feedback():
            return _feedback(component, Copies(N, *more), B)
        case Router():
            return _routing(component, _states(component, B, N), mask_BN, *more)
        case Local() | Pooling() | Cluster():
            x_BND = _states(component, B, N)
            return [component(x_BND, mask_BN)], [x_BND]
    raise ComponentError(f"{type(component).__qualname__} fills no slot whose cost is counted")


def _feedback(component: Any, assignment: Copies, B: int) -> tuple[list[Tensor], list[Tensor]]:
    x_BND, c_BCD = _states(component, B, assignment.N), _states(component, B, assignment.C)
    return [component(x_BND, c_BCD, assignment)], [x_BND, c_BCD]


def _routing(
    router: Any, x_BND: Tensor, mask_BN: Tensor, size: int, width: int = 0
) -> tuple[list[Tensor], list[Tensor]]:
    assignment = router(x_BND, mask_BN, size)
    pooled_BCD = assignment.pool(x_BND)
    signal = [] if assignment.signal_BC is None else [assignment.signal_BC]
    outputs, inputs = [pooled_BCD, *signal, *assignment.losses.values()], [x_BND]
    if width:
        inputs.append(pooled_BCD.new_empty(*pooled_BCD.shape[:2], width).requires_grad_())
        outputs.append(assignment.broadcast(inputs[-1]))
    return outputs, inputs


def _states(component: Component, *shape: int) -> Tensor:
    """States of the width and type that a component takes."""
    leading, options = component.built_with
    dims = next(value for value in (*leading, *options.values()) if isinstance(value, Dims))
    weights = (weight.dtype for weight in component.parameters() if weight.is_floating_point())
    return torch.empty(*shape, dims.d_model, dtype=next(weights, torch.float32), requires_grad=True)
