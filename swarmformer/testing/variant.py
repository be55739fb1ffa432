"""Whole variants held to the contract of a model: the same checks, on what a specification assembles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from swarmformer import registry
from swarmformer.assembly import assemble, assemble_without_weights
from swarmformer.contracts import Dims
from swarmformer.errors import SpecError
from swarmformer.spec import ModelSpec
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import Check
from swarmformer.testing.checks import CHECKS
from swarmformer.testing.outcome import Report
from swarmformer.variants import load_variant

MOST_LAYERS = 2


@dataclass(frozen=True)
class VariantCase(Case):
    """A model with all that a specification says but its sizes, which are small."""

    variant: str = ""
    spec: Any = field(default=None, repr=False)

    @property
    def component(self) -> str:
        return self.variant

    def __str__(self) -> str:
        return self.variant

    @property
    def dims(self) -> Dims:
        return self.spec.dims  # type: ignore[no-any-return]

    def make(self, **more: Any) -> Any:
        return assemble(self.spec.model_copy(update={"options": {**self.spec.options, **more}}))


def check_variant(variant: str | ModelSpec) -> Report:
    """Hold a variant, by name (``base+windowed``, ``mine.yaml``) or by its specification, to the contract of a model.

    Sizes are small, but for the width where the variant's heads need its own.

    Raises:
        SpecError: there is no such variant, or its parts do not fit together.
    """
    return Report(tuple(check.run(case) for check, case in checks_of_variant(variant)))


def checks_of_variant(variant: str | ModelSpec) -> Iterator[tuple[Check, VariantCase]]:
    """Every check of a model, with the variant."""
    spec = load_variant(variant).model_spec() if isinstance(variant, str) else variant
    name = variant if isinstance(variant, str) else f"a specification of {spec.name}"
    small = _small(spec)
    case = VariantCase(registry.get("model", spec.name), "model", small.options, variant=name, spec=small)
    for check in CHECKS:
        if "model" in check.slots:
            yield check, case


def _small(spec: ModelSpec) -> ModelSpec:
    """Of the kit's sizes; of its own width where that one does not fit."""
    sizes = {**DIMS.model_dump(), "num_layers": min(MOST_LAYERS, spec.dims.num_layers)}
    small = spec.model_copy(update={"dims": Dims(**sizes)})
    try:
        assemble_without_weights(small)
    except SpecError:
        small = spec.model_copy(update={"dims": Dims(**{**sizes, "d_model": spec.dims.d_model})})
        assemble_without_weights(small)
    return small
