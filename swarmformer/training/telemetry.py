"""What a trained model's components measure of themselves over a split: how far their mechanisms were exercised."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from swarmformer.contracts import Component, Model
from swarmformer.contracts.component import components_within
from swarmformer.contracts.measure import Mean, watching
from swarmformer.data.batching import Batches
from swarmformer.records import Exercise
from swarmformer.training.evaluate import passes


def telemetry(model: Model, batches: Batches, device: torch.device, precision: str) -> tuple[Exercise, ...]:
    """A row per component and measure that it declares, in the order of the model; means over the whole split."""
    components = dict(_measuring(model))
    if not components:
        return ()
    with watching(dict(components)) as watched:
        for _ in passes(model, batches, device, precision):
            pass
    return tuple(row for name, part in components.items() for row in _rows(name, part, watched[name].means))


def _measuring(model: Model, prefix: str = "") -> Iterator[tuple[str, Component]]:
    """By place; those of a model inside the model too, as one beside a channel is."""
    for name, part in components_within(model, prefix):
        if part.measures:
            yield name, part
        if isinstance(part, Model):
            yield from _measuring(part, f"{name}.")


def _rows(place: str, part: Component, means: dict[str, Mean]) -> list[Exercise]:
    found = {name: means[name].value for name in part.measures if name in means}
    return [
        Exercise(place=place, slot=part.slot, component=part.registered_name, measure=name, value=value,
                 least=part.measures[name].least, most=part.measures[name].most)
        for name, value in found.items() if value is not None
    ]  # fmt: skip
