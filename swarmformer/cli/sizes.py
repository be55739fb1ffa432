"""Parameters and FLOPs of single components, built without weights at the sizes of a variant."""

from __future__ import annotations

from typing import Any

from swarmformer.assembly import without_weights
from swarmformer.contracts import Dims
from swarmformer.cost.parts import flops_of, parameters_of
from swarmformer.models.parts import Parts
from swarmformer.registry import Entry
from swarmformer.schema import check_options
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant

LENGTHS = (256, 768)
WITHOUT_PRODUCTS = ("norm", "pyramid")
"""Slots whose contract has no ``flops``."""


def describe_size(entry: Entry, spec: ModelSpec) -> str:
    """One line: parameters, and FLOPs of one text with their order, with default options at the sizes of ``spec``."""
    try:
        component = _without_weights(entry.load(), spec)
    except ValueError as error:  # a component may refuse sizes that are not its own
        return f"refuses these sizes: {error}"
    return f"{parameters_of([component]):,} parameters{_products(entry.slot, component, spec.dims)}"


def describe_order(order: str) -> str:
    """What a component says of how its FLOPs grow."""
    return f"O({order})" if order else "order not stated"


def _products(slot: str, component: Any, dims: Dims) -> str:
    if slot in WITHOUT_PRODUCTS:
        return ", no matrix products"
    counts = [f"{flops_of(slot, component, dims, length):,} at {length} tokens" for length in LENGTHS]
    return f"; FLOPs: {', '.join(counts)}, {describe_order(component.order)}"


def _without_weights(cls: Any, spec: ModelSpec) -> Any:
    options = check_options(cls, {}, (), lambda path: "")
    with without_weights():
        if not getattr(cls, "slots", ()):
            return cls(spec.dims, **options)
        parts = {**load_variant("base").model_spec().slots, **spec.slots}
        return cls(spec.dims, Parts(spec.dims, parts), **options)
