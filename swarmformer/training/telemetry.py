"""What a trained model's components measure of themselves over a split: how far their mechanisms were exercised."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from swarmformer.contracts import Component, Model
from swarmformer.contracts.component import components_within
from swarmformer.contracts.measure import Mean, Watched, watching
from swarmformer.data.batching import Batches
from swarmformer.records import Exercise
from swarmformer.training.evaluate import passes


def telemetry(model: Model, batches: Batches, device: torch.device, precision: str) -> tuple[Exercise, ...]:
    """A row per component and measure that it declares, in the order of the model; means over the whole split."""
    components = dict(_measuring(model))
    if not components:
        return ()
    with watching(dict(components)) as watched, _taking_back(model, tuple(watched.values())) as kept:
        for _ in passes(model, batches, device, precision):
            kept()
    return tuple(row for name, part in components.items() for row in _rows(name, part, watched[name].means))


@contextmanager
def _taking_back(model: Model, watched: Sequence[Watched]) -> Iterator[Callable[[], None]]:
    """What a pass added that did not end, as the memory did, is taken back before the next; gives what says that one
    has ended."""
    before = list[dict[str, Mean]]()

    def begin(*_: object) -> None:
        for each, means in zip(watched, before, strict=False):  # there are none after a pass that ended
            each.means = means
        before[:] = [{name: replace(mean) for name, mean in each.means.items()} for each in watched]

    hook = model.register_forward_pre_hook(begin)
    try:
        yield before.clear
    finally:
        hook.remove()


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
