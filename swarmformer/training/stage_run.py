"""A stage of a run, made ready: its ingredients, its batches, and its place among the steps of all stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from swarmformer.assembly import Ingredients, make_ingredients
from swarmformer.contracts import Model, Stage
from swarmformer.data.batching import Batch, Batches
from swarmformer.data.encoded import EncodedData, Split
from swarmformer.data.resident import ResidentBatches
from swarmformer.errors import SpecError
from swarmformer.spec import RunSpec, StageSpec, TrainSpec


@dataclass(frozen=True)
class StageRun:
    """``steps`` optimiser steps from ``first_step`` on, counted through the run."""

    name: str
    stage: Stage
    train: TrainSpec
    ingredients: Ingredients
    batches: Batches
    seed: int
    first_step: int

    @property
    def steps(self) -> int:
        whole = self.train.epochs * len(self.batches)
        return min(whole, self.train.max_steps) if self.train.max_steps else whole

    @property
    def end(self) -> int:
        """The steps of the run that are done when the stage is."""
        return self.first_step + self.steps

    def augmented(self, epoch: int, start: int) -> Iterator[Batch]:
        """The training batches of an epoch from number ``start`` on."""
        for number, batch in enumerate(self.batches(epoch, start), start):
            # Seeded by its place, so that a run that goes on draws what it would have drawn.
            seed = np.random.SeedSequence((self.seed, epoch, number)).generate_state(1, np.uint64)[0]
            generator = torch.Generator().manual_seed(int(seed) >> 1)
            changed = self.ingredients.augmentation.apply(batch, generator)
            yield batch if changed is batch else _with_pads(changed, self.batches.pad_id)


def _with_pads(batch: Batch, pad_id: int) -> Batch:
    return replace(batch, ids_BN=batch.ids_BN.masked_fill(~batch.mask_BN, pad_id))


def stage_runs(spec: RunSpec, data: EncodedData, model: Model, device: torch.device) -> list[StageRun]:
    """All stages of a run, one after the other.

    Raises:
        SpecError: a stage trains on a split that the task has not.
    """
    runs: list[StageRun] = []
    for stage in spec.train.stages:
        runs.append(_stage_run(stage, spec, data, model, device, runs[-1].end if runs else 0))
    return runs


def _stage_run(
    chosen: StageSpec, spec: RunSpec, data: EncodedData, model: Model, device: torch.device, step: int
) -> StageRun:
    train = spec.train.of_stage(chosen)
    stage = chosen.make()
    try:
        texts = data.texts(stage.trains_on)
    except KeyError:
        splits = ", ".join(data.splits)
        words = f"stage {chosen.name!r} trains on split {stage.trains_on!r}, but the task has {splits}"
        raise SpecError(words) from None
    ingredients = make_ingredients(train, model.dims)
    ingredients.objective.fit(texts.beside(ingredients.augmentation.stand_ins))
    ingredients.objective.to(device)
    batches = make_batches(spec, data, texts.split, device, train.batch_size, seed=spec.seed)
    return StageRun(chosen.name, stage, train, ingredients, batches, spec.seed, step)


def make_batches(
    spec: RunSpec, data: EncodedData, split: Split, device: torch.device, size: int, seed: int | None = None
) -> Batches:
    """Batches of a split on the run's device; without a seed in an order of their own, for evaluation."""
    options: dict[str, Any] = {
        "batch_size": size, "lengths": spec.padded_lengths, "pad_id": data.pad_id, "seed": seed,
    }  # fmt: skip
    if device.type == "cpu":
        return Batches(split, **options)
    return ResidentBatches(split, device=device, **options)
