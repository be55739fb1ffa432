"""Parameters and FLOPs of a model, and of the parts that fill its slots."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from swarmformer.contracts import Component, Dims, Model
from swarmformer.contracts.component import components_within
from swarmformer.contracts.model import token_tables
from swarmformer.records import Parameters


def count_parameters(model: Model) -> Parameters:
    """Count parameters; a shared tensor counts once. Works on a model built without weights.

    ``without_embedding`` leaves out the token tables: ``nn.Embedding`` with one row per entry of the
    vocabulary. Tables of positions stay in. A token table that is also the output layer is left out. ``channel`` are
    those of a channel, which are in neither of the two.
    """
    channel = parameters_of(parts_of(model, "channel"))
    total = sum(parameter.numel() for parameter in model.parameters()) - channel
    tables = sum(table.numel() for table in token_tables(model))
    return Parameters(total=total, without_embedding=total - tables, channel=channel)


def flops_of(slot: str, component: Any, dims: Dims, N: int) -> int:
    """Of one text of N tokens; for a router one pool and one broadcast of width D."""
    sizes = sizes_of(slot, dims, N)
    sent = component.broadcast_flops(*sizes, dims.d_model) if slot == "router" else 0
    return component.flops(*sizes) + sent  # type: ignore[no-any-return]


def sizes_of(slot: str, dims: Dims, N: int) -> tuple[int, ...]:
    """What ``flops`` of a slot takes, of one text of N tokens in the first layer."""
    clusters = -(-N // dims.cluster_size)
    of_slot = {"cluster": (1, clusters), "feedback": (1, N, clusters), "router": (1, N, dims.cluster_size)}
    return of_slot.get(slot, (1, N))


def parameters_of(modules: Iterable[nn.Module]) -> int:
    """Parameters of several modules; a shared tensor counts once."""
    return sum({id(p): p.numel() for module in modules for p in module.parameters()}.values())


def parts_of(model: Model, slot: str) -> list[Component]:
    """The components that fill a slot of a model, or of one inside it; one inside another is part of that one."""
    within = [part for _, part in components_within(model)]
    inside = [found for part in within if isinstance(part, Model) for found in parts_of(part, slot)]
    return [part for part in within if part.slot == slot] + inside
