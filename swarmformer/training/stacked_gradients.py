"""The gradients of several runs of one specification, whose seeds differ, in one vectorised pass.

A small model leaves most of a device idle, and most of a step to what starts its operations; several models of one
shape, stacked, start as many as one (``torch.func.stack_module_state``, functorch's "model ensembling").
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from swarmformer.data.batching import Batch
from swarmformer.errors import InterruptedRunError, SwarmformerError
from swarmformer.ops.stacked import Streams, stacked
from swarmformer.records.base import in_a_line
from swarmformer.seeding import Draws
from swarmformer.training.captured import CHECK_EVERY
from swarmformer.training.fast import products_in_tf32
from swarmformer.training.journal import StepRecord
from swarmformer.training.recorder import LEAST, TOLERANCE
from swarmformer.training.shares import BatchShare
from swarmformer.training.step import LONGEST, TrainingStep

logger = logging.getLogger("swarmformer.training")
READ = ("ids_BN", "mask_BN", "labels_M", "index_M")
"""Of a batch, what a step reads."""
FAINT = 1e-5
"""Of the norm of the whole gradient, what that of one parameter may differ by: of fainter ones rounding is left."""
Shapes = tuple[tuple[int, ...], ...]
_State = dict[str, Tensor]


class StackError(SwarmformerError):
    """These runs cannot be computed in one pass."""


@dataclass
class Asked:
    """A step of run number ``run``, in a stage, ``done`` of the training behind it (0…1); its batch, and where the
    random numbers stand that it draws from, which move on."""

    step: TrainingStep
    batch: Batch
    draws: Draws
    run: int = 0
    stage: int = 0
    done: float = 0.0

    @cached_property
    def parts(self) -> list[Batch]:
        """What the batch is computed in."""
        return self.step.parts_of(self.batch)

    @property
    def alike(self) -> tuple[int, str, Shapes]:
        """What steps have in common that one pass can compute."""
        return self.stage, self.step.train.precision, tuple(tuple(part.ids_BN.shape) for part in self.parts)

    @property
    def why_alone(self) -> str:
        """Why it cannot be stacked with its like; empty where that may be tried."""
        step = self.step
        if step.micro_batch or step.ranks.size > 1:
            return "batches are computed in parts (micro_batch, or several processes)"
        if step.graphs is not None or step.compiled is not None:
            return "steps are captured or compiled, as train asks for"
        if step.objective.reads_values:
            return f"objective {step.objective.registered_name!r} reads values from the device"
        if self.batch.at_M is not None:
            return "answers are asked for at tokens, of which each batch has another number"
        return ""


@dataclass(frozen=True)
class _Computed:
    """What a step gave, by name: what it tells, gradients; and what it left: buffers, and the random numbers."""

    record: StepRecord
    gradients: dict[str, Tensor | None]
    buffers: _State
    draws: Draws

    def give(self, asked: Asked) -> StepRecord:
        """To the run, as if it had computed it."""
        modules = _Pass(asked.step)
        for name, parameter in modules.named_parameters():
            parameter.grad = self.gradients[name]
        for name, buffer in modules.named_buffers():
            buffer.copy_(self.buffers[name])
        asked.draws = self.draws
        return self.record

    def check(self, alone: _Computed) -> None:
        """Raise StackError where this is not, but for rounding, what the run gets alone."""
        _check_close("the loss", self.record["loss"], alone.record["loss"], LEAST)
        found = [gradient for gradient in alone.gradients.values() if gradient is not None]
        faint = LEAST + FAINT * float(torch.stack([gradient.norm() for gradient in found]).norm()) if found else LEAST
        for name, gradient in alone.gradients.items():
            own = self.gradients[name]
            if (own is None) != (gradient is None):
                raise StackError(f"{name} has a gradient either alone or together")
            if own is not None and gradient is not None:
                _check_close(f"the gradient of {name}", own, gradient, faint)
        for name, buffer in alone.buffers.items():
            _check_close(f"buffer {name}", self.buffers[name], buffer, LEAST)
        for kind, state in alone.draws.states.items():
            if not torch.equal(self.draws.states[kind], state):
                raise StackError("a model draws other random numbers than alone")


def _check_close(name: str, own: Tensor, alone: Tensor, least: float) -> None:
    apart, size = (own.double() - alone.double()).norm(), alone.double().norm()
    diverged = not bool(size.isfinite()) and not bool(apart.isfinite())
    if not diverged and not bool(apart <= TOLERANCE * size + least):
        raise StackError(f"together {name} is another than alone, by {float(apart):.3g} of {float(size):.3g}")


class StackedGradients:
    """Call it with steps of runs that are alike: gives their parameters the gradients of their batches.

    The first step of each shape, stage and set of runs, and one in ``CHECK_EVERY``, is held against the same steps
    computed one by one, on copies and in fp32, random draws included. Where stacking fails, or a run would get
    something else, the runs have a fault for the rest of the stage, and None is returned: whoever asked computes alone.
    """

    def __init__(self) -> None:
        self.faults: dict[int, str] = {}
        self.seen: Counter[object] = Counter()
        self.forms: dict[tuple[int, int], TrainingStep] = {}

    def fault(self, asked: Asked) -> str:
        """Why a step is computed alone, empty where it is not."""
        return self.faults.get(asked.stage, "") or asked.why_alone

    def __call__(self, asked: Sequence[Asked]) -> list[StepRecord] | None:
        if any(map(self.fault, asked)):
            return None
        key = (*(one.run for one in asked), asked[0].alike)
        try:
            if self.seen[key] % CHECK_EVERY == 0:
                _try_out(asked)
            found = _stacked([one.step for one in asked], asked, self._form(asked[0]))
        except InterruptedRunError:
            raise
        except Exception as error:  # what a component does alone it may be unable to do in a stack
            before = f", after {self.seen[key]} steps that were not all held against it" if self.seen[key] else ""
            self.faults[asked[0].stage] = (in_a_line(error)[:LONGEST] or type(error).__name__) + before
            logger.warning("seeds are computed one by one from here on: %s", self.faults[asked[0].stage])
            return None
        self.seen[key] += 1
        return [computed.give(one) for computed, one in zip(found, asked, strict=True)]

    def _form(self, first: Asked) -> TrainingStep:
        """Modules without weights of their own, to pass those of all runs through."""
        place = first.run, first.stage
        if place not in self.forms:
            self.forms = {place: _form_of(first.step)}
        form = self.forms[place]
        form.model.set_progress(first.done)
        return form


def _form_of(step: TrainingStep) -> TrainingStep:
    form = step.copied()
    form.model.to("meta")
    form.objective.to("meta")
    return form


def _try_out(asked: Sequence[Asked]) -> None:
    """Raise StackError where steps are not what they are one by one. What is tried leaves nothing behind."""
    steps = [one.step.copied() for one in asked]
    for step in steps:
        step.train = step.train.model_copy(update={"precision": "fp32"})
    device = next(steps[0].model.parameters()).device
    with products_in_tf32(device, False):  # as in bf16, another kernel rounds by as much as an error may change
        found = _stacked(steps, asked, _form_of(steps[0]))
        for step, one, computed in zip(steps, asked, found, strict=True):
            computed.check(_alone(step, one))


class _Pass(nn.Module):
    """Model and objective of a step, as a module from parts of a batch to its loss."""

    def __init__(self, step: TrainingStep) -> None:
        super().__init__()
        self.model, self.objective, self.step = step.model, step.objective, step
        self.training = step.model.training

    def forward(self, part: list[Tensor], whole: list[Tensor]) -> tuple[Tensor, StepRecord]:
        batch = Batch(*part)
        return self.step.loss_of(BatchShare(batch, Batch(*whole) if whole else batch))


def _alone(step: TrainingStep, asked: Asked) -> _Computed:
    """A step as it is without others."""
    asked.draws.restore()
    record, modules = step.add_gradients(asked.batch), _Pass(step)
    gradients = {name: parameter.grad for name, parameter in modules.named_parameters()}
    return _Computed(record, gradients, dict(modules.named_buffers()), Draws.on(asked.draws.device))


def _stacked(steps: Sequence[TrainingStep], asked: Sequence[Asked], form: TrainingStep) -> list[_Computed]:
    """All steps in one pass for each part of the batches, through the modules of ``form``, whose state is lost."""
    weights, buffers = stack_module_state([_Pass(step) for step in steps])
    streams, run = Streams([one.draws for one in asked]), _Pass(form)

    def loss(own: _State, kept: _State, part: list[Tensor], whole: list[Tensor]) -> tuple[Tensor, StepRecord]:
        given: tuple[Tensor, StepRecord] = functional_call(run, (own, kept), (part, whole))
        return given

    record: StepRecord = {}
    for parts in zip(*(one.parts for one in asked), strict=True):
        whole = [] if parts[0] is asked[0].batch else _together([one.batch for one in asked])
        with stacked(streams):
            totals, told = vmap(loss, randomness="different")(weights, buffers, _together(parts), whole)
        totals.sum().backward()
        for name, values in told.items():
            record[name] = record[name] + values if name in record else values
    gradients = {name: weight.grad for name, weight in weights.items()}
    return [
        _Computed(
            {name: values[number] for name, values in record.items()},
            {name: None if gradient is None else gradient[number] for name, gradient in gradients.items()},
            {name: buffer[number] for name, buffer in buffers.items()},
            streams.draws[number],
        )
        for number in range(len(asked))
    ]


def _together(batches: Sequence[Batch]) -> list[Tensor]:
    """What a pass reads of a batch, of all batches stacked."""
    return [torch.stack([getattr(batch, name) for batch in batches]) for name in READ]
