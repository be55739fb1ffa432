"""The gradients of several runs of one specification, whose seeds differ, in one vectorised pass.

A small model leaves most of a device idle, and most of a step to what starts its operations; several models of one
shape, stacked, start as many as one (``torch.func.stack_module_state``, functorch's "model ensembling").
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from swarmformer.data.batching import Batch
from swarmformer.errors import InterruptedRunError, SwarmformerError
from swarmformer.ops.stacked import Streams, stacked
from swarmformer.records.base import in_a_line
from swarmformer.seeding import Draws
from swarmformer.training.captured import CHECK_EVERY
from swarmformer.training.computed_step import ComputedStep, difference
from swarmformer.training.journal import StepRecord
from swarmformer.training.recorder import LEAST, TOLERANCE
from swarmformer.training.shares import BatchShare
from swarmformer.training.step import LONGEST, TrainingStep

logger = logging.getLogger("swarmformer.training")
READ = ("ids_BN", "mask_BN", "labels_M", "index_M")
"""Of a batch, what a step reads."""


Shapes = tuple[tuple[int, ...], ...]
_State = dict[str, Tensor]


class StackError(SwarmformerError):
    """These runs cannot be computed in one pass."""


@dataclass
class Asked:
    """A run's step, its batch, and where the random numbers stand that it draws from; ``draws`` moves on."""

    step: TrainingStep
    batch: Batch
    draws: Draws

    @property
    def shapes(self) -> Shapes:
        """Of the parts that the batch is computed in."""
        return tuple(tuple(part.ids_BN.shape) for part in self.step.parts_of(self.batch))


@dataclass(frozen=True)
class _Computed:
    """What a step gave, and what it left: buffers, and where the random numbers stand."""

    record: StepRecord
    step: ComputedStep
    buffers: list[Tensor]
    draws: Draws

    def give(self, asked: Asked) -> StepRecord:
        """To the run, as if it had computed it."""
        for parameter, gradient in zip(asked.step.parameters, self.step.gradients, strict=True):
            parameter.grad = gradient
        _fill(_pass_of(asked.step).buffers(), self.buffers)
        asked.draws = self.draws
        return self.record

    def check(self, alone: _Computed) -> None:
        """Raise StackError where this is not, but for rounding, what the run gets alone."""
        if not self.step.stands_for(alone.step):
            raise StackError(difference(self.step, alone.step))
        states = self.draws.states.items()
        if not all(bool((state == alone.draws.states[kind]).all()) for kind, state in states):
            raise StackError("a model draws other random numbers than alone")
        for own, other in zip(self.buffers, alone.buffers, strict=True):
            if not torch.allclose(own.double(), other.double(), rtol=TOLERANCE, atol=LEAST):
                raise StackError("a model leaves other buffers than alone")


class StackedGradients:
    """Call it with steps of runs that are alike but for their seeds: gives their parameters the gradients of their
    batches, of which ``shapes`` are alike.

    The first step of each shape, and one in ``CHECK_EVERY``, is held against the same steps computed one by one,
    random draws included. Where stacking fails, or a run would get something else, ``fault`` says why, and from there
    on None is returned: whoever asked computes alone, as if nothing had been tried.
    """

    def __init__(self) -> None:
        self.fault = ""
        self.seen: Counter[Shapes] = Counter()

    def __call__(self, asked: Sequence[Asked]) -> list[StepRecord] | None:
        self.fault = self.fault or next(filter(None, (why_alone(one.step, one.batch) for one in asked)), "")
        if self.fault:
            return None
        try:
            found = self._found(asked)
        except InterruptedRunError:
            raise
        except Exception as error:  # what a component does alone it may be unable to do in a stack
            self.fault = in_a_line(error)[:LONGEST] or type(error).__name__
            logger.warning("seeds are computed one by one from here on: %s", self.fault)
            return None
        return [computed.give(one) for computed, one in zip(found, asked, strict=True)]

    def _found(self, asked: Sequence[Asked]) -> list[_Computed]:
        shapes = asked[0].shapes
        due = self.seen[shapes] % CHECK_EVERY == 0
        alone = [_alone(one) for one in asked] if due else []
        found = _stacked(asked)
        for computed, usual in zip(found, alone, strict=False):
            computed.check(usual)
        self.seen[shapes] += 1
        return found


def why_alone(step: TrainingStep, batch: Batch) -> str:
    """Why a step cannot be stacked with its like; empty where it may be tried."""
    if step.micro_batch or step.ranks.size > 1:
        return "batches are computed in parts (micro_batch, or several processes)"
    if step.graphs is not None or step.compiled is not None:
        return "steps are captured or compiled, as train asks for"
    if step.objective.reads_values:
        return f"objective {step.objective.registered_name!r} reads values from the device"
    if batch.at_M is not None:
        return "answers are asked for at tokens, of which each batch has another number"
    return ""


class _Pass(nn.Module):
    """Model and objective of a step, as a module from parts of a batch to its loss."""

    def __init__(self, step: TrainingStep) -> None:
        super().__init__()
        self.model, self.objective, self.step = step.model, step.objective, step

    def forward(self, part: list[Tensor], whole: list[Tensor]) -> tuple[Tensor, StepRecord]:
        batch = Batch(*part)
        return self.step.loss_of(BatchShare(batch, Batch(*whole) if whole else batch))


def _pass_of(step: TrainingStep) -> _Pass:
    made = _Pass(step)
    made.training = step.model.training
    return made


def _alone(asked: Asked) -> _Computed:
    """A step as it would be without others, of which nothing is left, whatever it raises."""
    step, modules = asked.step, _pass_of(asked.step)
    before = [buffer.clone() for buffer in modules.buffers()]
    asked.draws.restore()
    try:
        record = step.add_gradients(asked.batch)
        gradients = ComputedStep(record["loss"], [parameter.grad for parameter in step.parameters])
        after = [buffer.clone() for buffer in modules.buffers()]
        return _Computed(record, gradients, after, Draws.on(asked.draws.device))
    finally:
        _fill(modules.buffers(), before)
        step.optimiser.zero_grad(set_to_none=True)


def _stacked(asked: Sequence[Asked]) -> list[_Computed]:
    """All steps in one pass for each part of the batches."""
    passes = [_pass_of(one.step) for one in asked]
    weights, buffers = stack_module_state(passes)
    streams = Streams([one.draws for one in asked])

    def loss(own: _State, kept: _State, part: list[Tensor], whole: list[Tensor]) -> tuple[Tensor, StepRecord]:
        return functional_call(passes[0], (own, kept), (part, whole))

    record: StepRecord = {}
    for parts in zip(*(one.step.parts_of(one.batch) for one in asked), strict=True):
        whole = [] if parts[0] is asked[0].batch else _together([one.batch for one in asked])
        with stacked(streams):
            totals, told = vmap(loss, randomness="different")(weights, buffers, _together(parts), whole)
        totals.sum().backward()
        for name, values in told.items():
            record[name] = record[name] + values if name in record else values
    names = [name for name, _ in passes[0].named_parameters()]
    return [
        _Computed(
            {name: values[number] for name, values in record.items()},
            ComputedStep(record["loss"][number], [_part(weights[name].grad, number) for name in names]),
            [buffer[number] for buffer in buffers.values()],
            streams.draws[number],
        )
        for number in range(len(asked))
    ]


def _part(stacked: Tensor | None, number: int) -> Tensor | None:
    return None if stacked is None else stacked[number]


def _together(batches: Sequence[Batch]) -> list[Tensor]:
    """What a pass reads of a batch, of all batches stacked."""
    return [torch.stack([getattr(batch, name) for batch in batches]) for name in READ]


def _fill(buffers: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)
