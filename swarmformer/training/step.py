"""One optimiser step: what training makes, and what the cost of training is measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from swarmformer.assembly import make_ingredients
from swarmformer.contracts import Model, ModelOutput, Objective
from swarmformer.data.batching import Batch
from swarmformer.ops.pieces import training_pieces
from swarmformer.spec import TrainSpec
from swarmformer.training.evaluate import Passes, autocast

Record = dict[str, Tensor]
"""Scalars of one step by name, on the device: loss, norm, and what objective and model tell of themselves."""
RECOMPILE_LIMIT = 64


@dataclass
class TrainingStep:
    """Forward, backward, clip, update; ``train`` gives precision, clipping, and whether to compile."""

    model: Model
    objective: Objective
    optimiser: torch.optim.Optimizer
    train: TrainSpec

    def __post_init__(self) -> None:
        self.detailed = _compiled(self.model) if self.train.compile else self.model.detailed
        self.parameters = [*self.model.parameters(), *self.objective.parameters()]

    def __call__(self, batch: Batch) -> Record:
        """``batch`` is on the model's device. What is worth writing down stays there: nothing waits for it."""
        record = self.add_gradients(batch)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.train.clip_norm or float("inf"))
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return {**record, "norm": norm.detach()}

    def add_gradients(self, batch: Batch) -> Record:
        """Add the gradients of a batch's loss to the parameters; of all texts at once, or piece by piece."""
        record: Record = {}
        device, answers = batch.ids_BN.device, len(batch.labels_M)
        with autocast(device, self.train.precision):  # around all pieces: weights are cast once
            for part in self.parts_of(batch):
                forward, share = Passes(self.model, self.detailed, self.train.precision), len(part.labels_M) / answers
                with autocast(device, "fp32"):
                    loss = self.objective.loss(forward, part)
                    total = loss.total * share + _auxiliary(forward.outputs)
                    total.backward()
                sums = {"loss": total, **{f"loss/{name}": value * share for name, value in loss.parts.items()}}
                for name, value in sums.items():
                    record[name] = record[name] + value.detach() if name in record else value.detach()
                record |= _details(forward.outputs[-1])
        return record

    def parts_of(self, batch: Batch) -> list[Batch]:
        """The batch in pieces where its gradient is the sum of theirs and they are quicker, or else itself."""
        whole = self.model.whole_batch or not self.objective.in_pieces or self.train.compile
        if whole or batch.at_M is not None:
            return [batch]
        cut = training_pieces(batch.ids_BN, batch.mask_BN, self.model.honours_mask)
        return [batch.piece(piece) for piece in cut] or [batch]


def training_step(model: Model, train: TrainSpec) -> TrainingStep:
    """The step that a section ``train``, its stages aside, makes with ``model``, where that is now."""
    device = next(model.parameters()).device
    made = make_ingredients(train, model.dims)
    objective = made.objective.to(device)
    return TrainingStep(model, objective, made.optimiser.build([model, objective], device), train)


def _auxiliary(outputs: list[ModelOutput]) -> Tensor | float:
    """What the model adds to the loss, as a mean over its passes."""
    return sum(sum(output.losses.values()) for output in outputs) / len(outputs)


def _details(output: ModelOutput) -> Record:
    """Auxiliary losses as ``loss/name``, telemetry as ``layer/name``, detached."""
    losses = {f"loss/{name}": loss for name, loss in output.losses.items()}
    per_layer = enumerate(output.telemetry)
    telemetry = {f"{layer}/{name}": value for layer, part in per_layer for name, value in part.items()}
    return {name: value.detach() for name, value in (losses | telemetry).items()}


def _compiled(model: Model) -> Callable[..., ModelOutput]:
    # One graph per padded length and batch size; a recompilation limit would fall back in silence.
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    return torch.compile(model.detailed, dynamic=False)
