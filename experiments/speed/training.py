"""Training steps: the published arithmetic against ours, at a fixed shape and over an epoch of real texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import swarmformer
from swarmformer.contracts import Model
from swarmformer.cost.passes import make_call, random_batch
from swarmformer.data.batching import Batch, Batches, bucket_lengths
from swarmformer.data.encoded import EncodedData
from swarmformer.modes import Precision
from swarmformer.spec import TrainSpec
from swarmformer.training.step import training_step
from swarmformer.variants import load_variant

from ..speed.evaluation import MISSING_DATA, same_weights
from ..speed.figure import Arm, Group, Target
from ..speed.published import PublishedSwarmFormer

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Size:
    """A published size: how our masked twin is called, and what the published code trains it with."""

    name: str
    variant: str
    width: int
    cluster_size: int
    length: int
    batch: int
    least: float
    aim: float

    def published(self) -> PublishedSwarmFormer:
        torch.manual_seed(0)
        return PublishedSwarmFormer(width=self.width, cluster_size=self.cluster_size)

    def train_spec(self) -> TrainSpec:
        return TrainSpec.from_dict(load_variant(self.variant).tree.values["train"])


BASE = Size("Base", "masked_base", 192, 4, 768, 48, 5.0, 8.0)
SMALL = Size("Small", "masked_small", 128, 8, 256, 96, 2.5, 4.0)


def fixed_shape(batch: int = BASE.batch) -> Group:
    """One step of Base on ``batch`` × 768 tokens, dropout and optimiser included; ours with the published weights."""
    published, ours = same_weights()
    random = random_batch(ours, batch, BASE.length, device=CPU, seed=0)
    spec, flops = BASE.train_spec(), ours.training_flops(batch, BASE.length)

    def step(precision: Precision) -> Callable[[], object]:
        return make_call(same_weights()[1], random, "training", precision, spec)

    return Group(
        {
            "published": Arm(_published_steps(published, [random], spec), batch, flops),
            "fast": Arm(step("fp32"), batch, flops),
            "fast, bf16": Arm(step("bf16"), batch, flops, "bf16"),
        },
        (
            Target(f"Base, training step {batch} × {BASE.length} fixed, fp32", ("published",), "fast", 1.4, 1.8),
            Target(f"Base, training step {batch} × {BASE.length} fixed, bf16", ("published",), "fast, bf16", 2.0, 3.0),
        ),
    )


def epoch(size: Size, data: EncodedData | None, batches: int, padded: int = 1, more: bool = False) -> Group:
    """An epoch over real texts, by a sample of its batches: every so-manieth of those in the order of their length.

    Args:
        data: None where there is none.
        batches: of ours, batched by length and masked; ``padded``: of the published, any texts padded to the maximum.
        more: fp32 beside bf16.
    """
    if data is None:
        return Group({}, (), {f"{size.name}, an epoch": MISSING_DATA})
    model, spec = swarmformer.build_model(size.variant), size.train_spec()
    by_length = _batches(data, size, bucket_lengths(size.length, 4))
    plan = sorted(by_length.plan(0), key=lambda planned: (planned[1], int(by_length.sizes[planned[0]].sum())))
    chosen = [plan[place] for place in np.linspace(0, len(plan) - 1, batches).round().astype(int)]
    whole = _batches(data, size, (size.length,))
    rows = np.concatenate([rows for rows, _ in chosen])
    real = 3 * sum(model.flops(1, int(length)) for length in by_length.sizes[rows])

    def steps(precision: Precision) -> Arm:
        ours = swarmformer.build_model(size.variant)
        return Arm(_our_steps(ours, by_length, chosen, spec, precision), len(rows), real, precision)

    texts = padded * size.batch
    some = [whole.batch(rows, length) for rows, length in whole.plan(0)[:padded]]
    return Group(
        {
            "published": Arm(
                _published_steps(size.published(), some, spec), texts, 3 * texts * model.flops(1, size.length)
            ),
            "fast, bf16": steps("bf16"),
            **({"fast": steps("fp32")} if more else {}),
        },
        (
            _epoch_figure(size, "bf16", "fast, bf16"),
            *([_epoch_figure(size, "fp32", "fast")] if more else []),
        ),
    )


def _epoch_figure(size: Size, precision: str, ours: str) -> Target:
    title = f"{size.name}, training epoch over real IMDb, {precision}"
    return Target(title, ("published",), ours, size.least, size.aim)


def _batches(data: EncodedData, size: Size, lengths: tuple[int, ...]) -> Batches:
    return Batches(data.splits["train"], batch_size=size.batch, lengths=lengths, pad_id=data.pad_id, seed=0)


def _published_steps(model: nn.Module, batches: list[Batch], spec: TrainSpec) -> Callable[[], object]:
    """Steps as the authors' training script makes them: AdamW at its defaults, no autocast; the batches at hand."""
    options = spec.optimiser.options
    optimiser = torch.optim.AdamW(model.parameters(), lr=options["lr"], weight_decay=options["weight_decay"])
    model.train()

    def call() -> None:
        for batch in batches:
            optimiser.zero_grad()
            F.cross_entropy(model(batch.ids_BN), batch.labels_M).backward()
            optimiser.step()

    return call


def _our_steps(
    model: Model, batches: Batches, chosen: list[tuple[np.ndarray, int]], spec: TrainSpec, precision: Precision
) -> Callable[[], object]:
    """Steps as ``Trainer`` makes them, the making of batches included."""
    step = training_step(model, spec.model_copy(update={"precision": precision}))
    model.train()

    def call() -> None:
        for rows, length in chosen:
            step(batches.batch(rows, length))

    return call
