"""Parameters and FLOPs of single components, built without weights at the sizes of a variant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from swarmformer.assembly import without_weights
from swarmformer.interfaces import Component, Dims, Model
from swarmformer.models.parts import Parts
from swarmformer.registry import Entry
from swarmformer.schema import check_options
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant

LENGTHS = (256, 768)
WITHOUT_PRODUCTS = ("norm", "pyramid")
"""Slots whose contract has no ``flops``."""


def describe_size(entry: Entry, spec: ModelSpec) -> str:
    """One line: parameters, and FLOPs of one text, with default options at the sizes of ``spec``."""
    try:
        component = _without_weights(entry.load(), spec)
    except ValueError as error:  # a component may refuse sizes that are not its own
        return f"refuses these sizes: {error}"
    return f"{parameters_of([component]):,} parameters{_products(entry.slot, component, spec.dims)}"


def _products(slot: str, component: Any, dims: Dims) -> str:
    if slot in WITHOUT_PRODUCTS:
        return ", no matrix products"
    counts = [f"{flops_of(slot, component, dims, length):,} at {length} tokens" for length in LENGTHS]
    return f"; FLOPs: {', '.join(counts)}"


def _without_weights(cls: Any, spec: ModelSpec) -> Any:
    options = check_options(cls, {}, (), lambda path: "")
    with without_weights():
        if not getattr(cls, "slots", ()):
            return cls(spec.dims, **options)
        parts = {**load_variant("base").model_spec().slots, **spec.slots}
        return cls(spec.dims, Parts(spec.dims, parts), **options)


def flops_of(slot: str, component: Any, dims: Dims, N: int) -> int:
    """Of one text of N tokens; for a router one pool and one broadcast of width D."""
    size = dims.cluster_size
    clusters = -(-N // size)
    if slot == "cluster":
        return component.flops(1, clusters)
    if slot == "feedback":
        return component.flops(1, N, clusters)
    if slot == "router":
        return component.flops(1, N, size) + component.broadcast_flops(1, N, size, dims.d_model)
    return component.flops(1, N)


def parameters_of(modules: Iterable[nn.Module]) -> int:
    """Parameters of several modules; a shared tensor counts once."""
    return sum({id(p): p.numel() for module in modules for p in module.parameters()}.values())


def parts_of(model: Model, slot: str) -> list[Component]:
    """The components that fill a slot of a model; a component inside another is part of that one."""
    return [part for part in _outermost(model) if part.slot == slot]


def _outermost(module: nn.Module) -> Iterable[Component]:
    for child in module.children():
        if isinstance(child, Component):
            yield child
        else:
            yield from _outermost(child)
