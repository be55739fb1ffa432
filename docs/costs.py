"""Costs as the pages show them: parameters and operations by slot."""

from __future__ import annotations

from swarmformer.cli.sizes import LENGTHS
from swarmformer.cost.parts import parameters_of, parts_of
from swarmformer.cost.variants import flops_by_slot, model_of


def slot_costs(variant: str) -> dict[str, tuple[int, ...]]:
    """Slot → parameters of all its components, then operations of one text at each of ``LENGTHS``."""
    model = model_of(variant)
    counted = {(row["slot"], row["length"]): row["forward"] for row in flops_by_slot([variant], LENGTHS)}
    return {
        slot: (parameters_of(parts_of(model, slot)), *(counted.get((slot, length), 0) for length in LENGTHS))
        for slot in model.slots
    }
