"""The shape that each slot's contract asks of a result, held against what parts of a model give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor

from swarmformer.contracts import Dims, Model
from swarmformer.cost.parts import parts_of
from swarmformer.errors import ComponentError


@contextmanager
def shapes_compared(model: Model) -> Iterator[None]:
    """Meanwhile a part whose result has not the shape of its slot's contract raises ComponentError with its name.

    So it is not the next one that stumbles over it.
    """
    parts = [part for slot in SHAPES for part in parts_of(model, slot)]
    handles = [part.register_forward_hook(partial(_compare_shape, model.dims)) for part in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _compare_shape(dims: Dims, part: Any, given: tuple[Any, ...], result: Any) -> None:
    if not given:  # all by keyword: which is the first is the caller's secret
        return
    expected = SHAPES[part.slot](given[0].shape, dims, part)
    name = part.registered_name or f"{type(part).__module__}:{type(part).__qualname__}"
    if not isinstance(result, Tensor):
        raise ComponentError(f"{part.slot} {name} gave a {type(result).__name__}, expected a tensor of {expected}")
    if tuple(result.shape) != expected:
        raise ComponentError(f"{part.slot} {name} gave {tuple(result.shape)}, expected {expected}")


def _as_given(shape: Sequence[int], dims: Dims, part: Any) -> tuple[int, ...]:
    return tuple(shape)


def _pooled(shape: Sequence[int], dims: Dims, part: Any) -> tuple[int, ...]:
    return tuple(shape) if part.per_token else (shape[0], shape[-1])


SHAPES: dict[str, Callable[[Sequence[int], Dims, Any], tuple[int, ...]]] = {
    "embedding": lambda shape, dims, part: (*shape, dims.d_model),
    "pooling": _pooled,
    "channel": lambda shape, dims, part: (shape[0], dims.num_classes),
    **dict.fromkeys(("local", "cluster", "feedback", "norm"), _as_given),
}
"""Slot → the shape of what comes out, of the shape of what goes in first."""
