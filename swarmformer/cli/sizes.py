"""Parameters and FLOPs of single components, built without weights at the sizes of a variant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from swarmformer.assembly import without_weights
from swarmformer.contracts import Dims
from swarmformer.cost.parts import flops_of, parameters_of
from swarmformer.models.parts import Parts
from swarmformer.registry import Entry
from swarmformer.schema import check_options
from swarmformer.spec import ComponentSpec, ModelSpec, nowhere
from swarmformer.variants import load_variant

LENGTHS = (256, 768)
WITHOUT_SIZE = ("task", "text_augmentation", "objective", "optimiser", "augmentation", "stage")
"""Slots beside the model's."""
WITHOUT_PRODUCTS = ("norm", "pyramid")
"""Slots whose contract has no ``flops``."""


def describe_size(entry: Entry, spec: ModelSpec) -> str:
    """One line: parameters, and FLOPs of one text with how they grow, with default options at the sizes of ``spec``."""
    try:
        component = _without_weights(entry.load(), spec)
    except ValueError as error:  # a component may refuse sizes that are not its own
        return f"refuses these sizes: {error}"
    return f"{parameters_of([component]):,} parameters{_products(entry.slot, component, spec.dims)}"


def describe_flops(counts: Sequence[int], source: str) -> str:
    """FLOPs at each of ``LENGTHS``, how they grow from the first to the last, and where they are from."""
    if not any(counts):
        return "; no matrix products"
    amounts = ", ".join(f"{count:,} at {length} tokens" for count, length in zip(counts, LENGTHS, strict=True))
    power = math.log(counts[-1] / counts[0]) / math.log(LENGTHS[-1] / LENGTHS[0])
    return f"; FLOPs: {amounts}, growing as N^{power:.2f} ({source})"


def _products(slot: str, component: Any, dims: Dims) -> str:
    if slot in WITHOUT_PRODUCTS:
        return describe_flops((), "")
    return describe_flops([flops_of(slot, component, dims, length) for length in LENGTHS], component.flops_source)


def _without_weights(cls: Any, spec: ModelSpec) -> Any:
    options = check_options(cls, {}, (), lambda path: "")
    with without_weights():
        if not getattr(cls, "slots", ()):
            return cls(spec.dims, **options)
        usual = {s: ComponentSpec.from_dict(s, name, (s,), nowhere) for s, name in cls.default_slots.items()}
        parts = {**usual, **load_variant("base").model_spec().slots, **spec.slots}
        return cls(spec.dims, Parts(spec.dims, parts), **options)
