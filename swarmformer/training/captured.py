"""Gradients of a batch recorded as CUDA graphs, one for each padded length, and replayed.

A small model's step on a GPU takes as long as it takes to start its thousand kernels one by one; a graph starts them
all at once (Ng et al., "Accelerating PyTorch with CUDA Graphs", 2021). Recording needs no compiler.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from swarmformer.contracts import Model, Objective
from swarmformer.data.batching import Batch
from swarmformer.errors import CaptureError
from swarmformer.records.base import in_a_line
from swarmformer.spec import TrainSpec
from swarmformer.training.computed_step import ComputedStep, difference, is_rounding
from swarmformer.training.fast import cannot_compile
from swarmformer.training.faults import ran_out_of_memory
from swarmformer.training.journal import StepRecord
from swarmformer.training.recorder import WARM, Recorder

logger = logging.getLogger("swarmformer.training")
Compute = Callable[[Batch], StepRecord]
INPUTS = ("ids_BN", "mask_BN", "labels_M")
"""Of a batch, what a graph reads."""
CAPTURE_STEPS = 100
"""Steps of a stage from which recording, some tenths of a second for each padded length, is taken to pay."""
CHECK_EVERY = 500
"""Replays of a shape after which one is held against the step as usual again: a value of the host that follows the
training stands still in a graph, and is far off only later."""


def captures(
    train: TrainSpec, device: torch.device, steps: int, model: Model, objective: Objective, ranks: int = 1
) -> bool:
    """Whether a stage of so many steps is replayed.

    Raises:
        CaptureError: it was asked for where it cannot be.
    """
    why = _why_not(train, device, model, objective, ranks)
    if train.capture is True and why:
        raise CaptureError(f"train.capture: true {why}; leave it at auto")
    return train.capture is True or (train.capture == "auto" and not why and steps >= CAPTURE_STEPS)


def _why_not(train: TrainSpec, device: torch.device, model: Model, objective: Objective, ranks: int) -> str:
    if device.type != "cuda":
        return f"needs a CUDA device, not {device.type}"
    if objective.reads_values:
        return f"cannot record objective {objective.registered_name!r}, which reads values from the device"
    if model.per_token:
        return "cannot record answers at tokens, of which each batch has another number"
    in_parts = train.micro_batch or ranks > 1
    return "cannot record batches in parts (micro_batch, or several processes)" if in_parts else ""


@dataclass(frozen=True)
class _State:
    """What a step changes besides gradients: random numbers of host and device, and buffers."""

    host: Tensor
    device: Tensor
    buffers: list[Tensor]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of: the end of a recording hides what ended it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@dataclass(frozen=True)
class _Recorded:
    """A graph with the memory that it reads (``batch``) and writes: gradients, and what is told, by ``names``."""

    batch: Batch
    names: tuple[str, ...]
    told: Tensor
    gradients: list[Tensor | None]
    replay: Callable[[], None]
    places: list[int]


class CapturedGradients:
    """Call it with a batch and ``compute``, which gives the parameters the gradients of the batch.

    Each shape is computed as usual ``WARM`` times, then recorded. Its first replay, and one in ``CHECK_EVERY``, is held
    against the same step computed as usual, dropout included. Where recording fails, or the first replay differs,
    ``fault`` says why, and from there on all is computed as usual; an error where ``must``. Where a later one differs
    it is an error always: the steps before it may have been wrong.
    """

    def __init__(self, modules: list[nn.Module], recorder: Recorder, must: bool) -> None:
        self.recorder, self.must = recorder, must
        self.modules = modules
        self.parameters = [parameter for module in modules for parameter in module.parameters()]
        self.seen: Counter[tuple[int, ...]] = Counter()
        self.recorded: dict[tuple[int, ...], _Recorded] = {}
        self.fault = ""

    def __call__(self, batch: Batch, compute: Compute) -> StepRecord:
        shape = tuple(batch.ids_BN.shape)
        self.seen[shape] += 1
        if self.fault or batch.at_M is not None or self.seen[shape] <= WARM:
            return self._usual(batch, compute)
        if shape not in self.recorded:
            return self._begin(shape, batch, compute)
        try:
            due = (self.seen[shape] - WARM) % CHECK_EVERY == 0
            recorded = self.recorded[shape]
            return self._checked(recorded, batch, compute) if due else self._replayed(recorded, batch)
        except CaptureError as error:
            raise CaptureError(f"{error}: what changes with the training must be a tensor that is written to; "
                               "set train.capture: false and start the run anew") from error  # fmt: skip

    def forget(self) -> None:
        """Give back the memory of all graphs; from here on all is computed as usual."""
        self.fault = self.fault or "memory ended"
        self.recorded.clear()

    def _usual(self, batch: Batch, compute: Compute) -> StepRecord:
        with self.recorder.aside():
            return compute(batch)

    def _begin(self, shape: tuple[int, ...], batch: Batch, compute: Compute) -> StepRecord:
        before = self._state()
        record = self._first(shape, batch, compute)
        if record is not None:
            return record
        # Here nothing that the attempt had computed is held any longer.
        self.recorded.clear()
        try:
            self._restore(before)
            return self._usual(batch, compute)
        except RuntimeError as error:
            if "graph capture" not in str(error):
                raise
            words = "the device cannot be used after a recording that failed; set train.capture: false"
            raise CaptureError(f"{words} ({self.fault})") from error

    def _first(self, shape: tuple[int, ...], batch: Batch, compute: Compute) -> StepRecord | None:
        """Record the step of a shape and replay it; None where that fails, and ``fault`` says why."""
        try:
            recorded = self._record(batch, compute)
            record = self._checked(recorded, batch, compute)
        except RuntimeError as error:
            if cannot_compile(error):
                raise
            self.fault = in_a_line(error) or type(error).__name__
            full = any(ran_out_of_memory(one) for one in _chain(error))
            if self.must and not full:
                raise CaptureError(f"train.capture: true, but a step cannot be recorded: {self.fault}") from error
            logger.warning("a step cannot be recorded, the run goes on without it; train.capture=false leaves it "
                           "out: %s", self.fault)  # fmt: skip
            return None
        self.recorded[shape] = recorded
        return record

    def _checked(self, recorded: _Recorded, batch: Batch, compute: Compute) -> StepRecord:
        """Replay a step, held against the same step computed as usual: where both differ twice, as the sums of a GPU
        may be rounded in another order each time."""
        before = self._state()
        usual = self._from(before, batch, compute)
        record = self._replayed(recorded, batch)
        replayed = ComputedStep(record["loss"], recorded.gradients)
        if not replayed.stands_for(usual):
            after = self._state()
            again = self._from(before, batch, compute)
            self._restore(after)
            self._give(recorded)
            if not is_rounding(replayed, usual, again):
                raise CaptureError(difference(replayed, usual))
        return record

    def _record(self, batch: Batch, compute: Compute) -> _Recorded:
        """Record a step after it was computed as usual, which raises where it waits for the device: a recording that
        fails may leave the device's random numbers unusable."""
        self._from(self._state(), batch, compute)
        names: list[str] = []
        tensors = {name: getattr(batch, name).clone() for name in INPUTS}
        fixed = replace(batch, **tensors)

        def work() -> Tensor:
            record = compute(fixed)
            names[:] = record
            return torch.stack([value.float() for value in record.values()])

        places = self._places()
        told, replay = self.recorder.record(work)
        return _Recorded(fixed, tuple(names), told, self._taken(), replay, places)

    def _replayed(self, recorded: _Recorded, batch: Batch) -> StepRecord:
        if recorded.places != self._places():
            raise CaptureError("a buffer or parameter is put in another's place instead of being written to")
        for name in INPUTS:
            getattr(recorded.batch, name).copy_(getattr(batch, name))
        recorded.replay()
        self._give(recorded)
        return dict(zip(recorded.names, recorded.told.clone().unbind(), strict=True))

    def _from(self, state: _State, batch: Batch, compute: Compute) -> ComputedStep:
        """A step computed as usual from a state, which is there again afterwards."""
        self._restore(state)
        with self.recorder.aside(), self.recorder.unread():
            loss = compute(batch)["loss"]
        step = ComputedStep(loss, self._taken())
        self._restore(state)
        return step

    def _give(self, recorded: _Recorded) -> None:
        for parameter, gradient in zip(self.parameters, recorded.gradients, strict=True):
            parameter.grad = gradient

    def _taken(self) -> list[Tensor | None]:
        """The gradients, which the parameters have no longer."""
        gradients = [parameter.grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        return gradients

    def _buffers(self) -> list[Tensor]:
        return [buffer for module in self.modules for buffer in module.buffers()]

    def _places(self) -> list[int]:
        """Where in memory a graph finds what it reads besides the batch."""
        return [tensor.data_ptr() for tensor in (*self.parameters, *self._buffers())]

    def _state(self) -> _State:
        return _State(torch.get_rng_state(), self.recorder.random(), [buffer.clone() for buffer in self._buffers()])

    def _restore(self, state: _State) -> None:
        """Random numbers and buffers as they were, and no gradients."""
        torch.set_rng_state(state.host)
        self.recorder.set_random(state.device)
        for buffer, value in zip(self._buffers(), state.buffers, strict=True):
            buffer.copy_(value)
        self._taken()
