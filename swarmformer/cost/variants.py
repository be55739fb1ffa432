"""What named variants cost, counted on models without weights: whole, by slot, at any length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TypedDict

from swarmformer.assembly import assemble_without_weights
from swarmformer.contracts import Model
from swarmformer.cost.parts import count_parameters
from swarmformer.errors import SpecError
from swarmformer.spec import ModelSpec
from swarmformer.variants import load_variant

LENGTHS = (256, 768, 4096, 16384)
"""Tokens of a text at which variants are compared: the two published lengths, and far beyond them."""

OWN = "own"
"""What belongs to no slot: the classifier, for one."""


class SlotFlops(TypedDict):
    """Of one text without pads, at ``length`` tokens.

    The rows of a variant at a length add up to the whole model.
    """

    variant: str
    length: int
    slot: str
    forward: int
    training: int


@cache
def spec_of(variant: str) -> ModelSpec:
    """The resolved model of a variant."""
    return load_variant(variant).model_spec()


@cache
def model_of(variant: str, length: int = LENGTHS[0]) -> Model:
    """The variant on the meta device, its ``seq_len`` raised to ``length`` where that is more."""
    spec = spec_of(variant)
    dims = spec.dims.model_copy(update={"seq_len": max(length, spec.dims.seq_len)})
    return assemble_without_weights(spec.model_copy(update={"dims": dims}))


def parameters(variant: str) -> int:
    """Without the token table."""
    return count_parameters(model_of(variant)).without_embedding


def flops(variant: str, length: int) -> int:
    """Forward pass of one text."""
    return model_of(variant, length).flops(1, length)


def flops_by_slot(variants: Iterable[str], lengths: Sequence[int] = LENGTHS) -> list[SlotFlops]:
    """A row for each variant, length and slot that has matrix products, and one for what is the model's own.

    Args:
        variants: names as everywhere: ``base``, ``base+windowed``, ``enhanced``.
        lengths: tokens of the text; a model is built with ``seq_len`` raised to it.

    Raises:
        SpecError: an unknown variant, or a length below one.
    """
    if min(lengths, default=0) < 1:
        raise SpecError(f"lengths must be at least 1 token, got {list(lengths)}")
    return [row for variant in variants for length in lengths for row in _rows(variant, length)]


def _rows(variant: str, length: int) -> Iterator[SlotFlops]:
    model = model_of(variant, length)
    forward, training = (model.flops_by_slot(1, length, training=mode) for mode in (False, True))
    forward[OWN] = model.flops(1, length) - sum(forward.values())
    training[OWN] = model.training_flops(1, length) - sum(training.values())
    for slot, count in forward.items():
        if count:
            yield SlotFlops(variant=variant, length=length, slot=slot, forward=count, training=training[slot])
