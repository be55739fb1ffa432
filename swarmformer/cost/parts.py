"""Parameters and FLOPs of the parts that fill the slots of a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from swarmformer.contracts import Component, Dims, Model
from swarmformer.contracts.component import components_within


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
    return [part for _, part in components_within(model) if part.slot == slot]
