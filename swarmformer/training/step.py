"""One optimiser step: what training makes, and what the cost of training is measured on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.contracts import Model, ModelOutput
from swarmformer.data.batching import Batch
from swarmformer.ops.pieces import training_pieces
from swarmformer.spec import TrainSpec
from swarmformer.training.evaluate import autocast

Record = dict[str, Tensor]
"""Scalars of one step by name, on the device: loss, norm, and what the model tells of itself."""
Forward = Callable[..., ModelOutput]


def optimiser_step(
    model: Model, forward: Forward, optimiser: torch.optim.Optimizer, batch: Batch, train: TrainSpec
) -> Record:
    """Forward (``model.detailed``, or that compiled), backward, clip, update; ``batch`` is on the model's device.

    What is worth writing down stays on the device: nothing waits for it.
    """
    record = add_gradients(model, forward, batch, train)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm or float("inf"))
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return {**record, "norm": norm.detach()}


def add_gradients(model: Model, forward: Forward, batch: Batch, train: TrainSpec) -> Record:
    """Add the gradients of a batch's mean loss to the parameters; of all texts at once, or piece by piece."""
    record: Record = {}
    with autocast(batch.ids_BN.device, train.precision):  # around all pieces: weights are cast once
        for part in parts_of(batch, model, train):
            output = forward(part.ids_BN, part.mask_BN)
            with autocast(batch.ids_BN.device, "fp32"):
                total = _loss(part, output, len(batch.labels_M), train)
                total.backward()
            record["loss"] = record["loss"] + total.detach() if "loss" in record else total.detach()
            record |= _details(output)
    return record


def _loss(part: Batch, output: ModelOutput, labels: int, train: TrainSpec) -> Tensor:
    """The part of the batch's mean loss that is its own, and what the model adds."""
    logits_MK = part.answers(output.logits_BK).float()
    loss = F.cross_entropy(logits_MK, part.labels_M, label_smoothing=train.label_smoothing)
    return loss * (len(part.labels_M) / labels) + sum(output.losses.values())


def parts_of(batch: Batch, model: Model, train: TrainSpec) -> list[Batch]:
    """The batch in pieces where its gradient is the sum of theirs and they are quicker, or else itself."""
    if model.whole_batch or train.compile or batch.at_M is not None:
        return [batch]
    cut = training_pieces(batch.ids_BN, batch.mask_BN, model.honours_mask)
    return [batch.piece(piece) for piece in cut] or [batch]


def _details(output: ModelOutput) -> Record:
    """Auxiliary losses as ``loss/name``, telemetry as ``layer/name``, detached."""
    losses = {f"loss/{name}": loss for name, loss in output.losses.items()}
    per_layer = enumerate(output.telemetry)
    telemetry = {f"{layer}/{name}": value for layer, part in per_layer for name, value in part.items()}
    return {name: value.detach() for name, value in (losses | telemetry).items()}
