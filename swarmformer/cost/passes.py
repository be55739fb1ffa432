"""What is timed and whose memory is measured: one forward pass, or one training step, on random tokens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Literal

import torch
from torch import Tensor

from swarmformer.contracts import Model
from swarmformer.cost.probe import OutputError, cast, check_output, random_inputs
from swarmformer.data.batching import Batch
from swarmformer.errors import CaptureError, MemoryExhaustedError, SpecError
from swarmformer.modes import Precision, autocast
from swarmformer.spec import TrainSpec
from swarmformer.training.recorder import WARM, CudaRecorder, replayed
from swarmformer.training.step import training_step

Mode = Literal["forward", "training"]
"""A forward pass in evaluation and inference mode; or forward, backward and update in training mode."""
Way = Literal["eager", "compiled", "captured"]
"""Operation by operation; through ``torch.compile``; or recorded once as a CUDA graph and replayed."""


def random_batch(model: Model, batch: int, length: int, *, device: torch.device, seed: int) -> Batch:
    """Random ids and labels; every token is real, yet the masked code paths run. At tokens, all are asked."""
    ids_BN, mask_BN = random_inputs(model.dims, batch, length, device=device, seed=seed)
    answers = batch * length if model.per_token else batch
    generator = torch.Generator().manual_seed(seed)
    labels_M = torch.randint(model.dims.num_classes, (answers,), generator=generator).to(device)
    at_M = torch.arange(answers, device=device) if model.per_token else None
    return Batch(ids_BN, mask_BN, labels_M, torch.arange(answers), at_M)


def make_call(
    model: Model, batch: Batch, mode: Mode, precision: Precision, train: TrainSpec | None, *, way: Way = "eager"
) -> Callable[[], Tensor]:
    """A call that gives the logits of a forward pass, or the loss of a training step.

    The model, on the batch's device already, is put into the mode that the call needs and its weights into
    ``precision``. ``train`` gives what the optimiser of a training step needs; its own precision is not used.
    Shapes are static, whichever the ``way``; a replay is held against what it stands for when it is recorded.

    Raises:
        CaptureError: it cannot be recorded, or replays something else.
        MemoryExhaustedError: (when called) memory does not hold the batch; training would go on with parts of it.
        SpecError: training with ``bf16_weights``; the optimiser's updates would be lost in rounding.
    """
    device = batch.ids_BN.device
    cast(model, precision).train(mode == "training")
    if train is not None and mode == "training":
        return _training_step(model, batch, precision, train, way)
    forward = torch.compile(model.forward, dynamic=False) if way == "compiled" else model

    def call() -> Tensor:
        with torch.inference_mode(), autocast(device, precision):
            return forward(batch.ids_BN, batch.mask_BN)

    return replayed(call, CudaRecorder(device)) if way == "captured" else call


def _training_step(
    model: Model, batch: Batch, precision: Precision, train: TrainSpec, way: Way
) -> Callable[[], Tensor]:
    if precision == "bf16_weights":
        raise SpecError("training keeps its weights in fp32: use precision bf16 (autocast) or fp32")
    ways = {"compile": way == "compiled", "capture": way == "captured"}
    asked = {"precision": precision, "batch_size": len(batch.ids_BN), **ways}
    step = training_step(model, train.model_copy(update=asked))
    calls = count(1)

    def call() -> Tensor:
        loss = step(batch)["loss"]
        if step.micro_batch != train.micro_batch:
            words = f"memory does not hold the step of {len(batch.ids_BN)} texts, but {step.micro_batch} at once"
            raise MemoryExhaustedError(words)
        if way == "captured" and next(calls) > WARM and not step.captured:
            raise CaptureError("this step is not replayed: it answers at tokens, or memory ended")
        return loss

    return call


def check_result(name: str, model: Model, batch: Batch, mode: Mode, result: Tensor) -> None:
    """Raise OutputError unless the logits have the right shape, or the loss is a number, and are finite."""
    if mode == "forward":
        shape = tuple(batch.ids_BN.shape) if model.per_token else (len(batch.ids_BN),)
        check_output(name, result, (*shape, model.dims.num_classes))
    elif not bool(result.isfinite()):
        raise OutputError(f"{name}: the loss of a training step on random tokens is {float(result)}; not timed")
