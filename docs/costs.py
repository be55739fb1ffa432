"""Parameters and operations of models built without weights, whole and by slot."""

from __future__ import annotations

from functools import cache

from swarmformer.assembly import assemble_without_weights
from swarmformer.cli.sizes import LENGTHS, parameters_of, parts_of
from swarmformer.cost.parameters import count_parameters
from swarmformer.interfaces import Model
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant


@cache
def spec_of(variant: str) -> ModelSpec:
    return load_variant(variant).model_spec()


@cache
def model_of(variant: str, length: int = LENGTHS[0]) -> Model:
    """The variant on the meta device, its ``seq_len`` raised to ``length`` where that is more."""
    spec = spec_of(variant)
    dims = spec.dims.model_copy(update={"seq_len": max(length, spec.dims.seq_len)})
    return assemble_without_weights(spec.model_copy(update={"dims": dims}))


def parameters(variant: str) -> int:
    """Without the token table."""
    return count_parameters(model_of(variant))["without_embedding"]


def flops(variant: str, length: int) -> int:
    """Of one text."""
    return model_of(variant, length).flops(1, length)


def slot_costs(variant: str) -> dict[str, tuple[int, ...]]:
    """Slot → parameters of all its components, then operations of one text at each of ``LENGTHS``."""
    models = [model_of(variant, length) for length in LENGTHS]
    parts = [model.flops_by_slot(1, length) for model, length in zip(models, LENGTHS, strict=True)]
    return {
        slot: (parameters_of(parts_of(models[0], slot)), *(part.get(slot, 0) for part in parts))
        for slot in models[0].slots
    }
