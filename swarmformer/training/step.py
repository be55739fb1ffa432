"""One optimiser step: what training makes, and what the cost of training is measured on."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from swarmformer.assembly import make_ingredients
from swarmformer.contracts import Model, ModelOutput, Objective
from swarmformer.contracts.objective import why_whole
from swarmformer.data.batching import Batch
from swarmformer.errors import MemoryExhaustedError, SwarmformerError
from swarmformer.modes import autocast
from swarmformer.ops.pieces import training_pieces
from swarmformer.records.base import in_a_line
from swarmformer.spec import TrainSpec
from swarmformer.training.captured import CapturedGradients
from swarmformer.training.evaluate import Passes
from swarmformer.training.fast import cannot_compile, compiled
from swarmformer.training.faults import ran_out_of_memory
from swarmformer.training.journal import StepRecord
from swarmformer.training.ranks import ALONE, Ranks
from swarmformer.training.recorder import CudaRecorder
from swarmformer.training.shares import BatchShare, draw_by_place, shares

logger = logging.getLogger("swarmformer.training")
LONGEST = 300
"""Characters of an error that a line of the log repeats."""


@dataclass
class TrainingStep:
    """Forward, backward, clip, update; ``train`` gives precision, clipping, and whether to compile.

    Args:
        ranks: the processes that share each batch.
        micro_batch: texts that one process computes at once, 0: all of its share. Halved where memory runs out; the
            gradient stays that of the batch.
        together: asked first for the gradients of a batch, which it may compute with those of other runs.
        must_compile, must_capture: ``train.compile``, ``train.capture`` were asked for, so that one which fails is an
            error.
    """

    model: Model
    objective: Objective
    optimiser: torch.optim.Optimizer
    train: TrainSpec
    ranks: Ranks = ALONE
    micro_batch: int = 0
    together: Callable[[TrainingStep, Batch], StepRecord | None] | None = None
    must_compile: bool = True
    must_capture: bool = True

    def __post_init__(self) -> None:
        self.graphs = self._graphs() if self.train.capture is True else None
        self.compiled = compiled(self.model, self.objective) if self.train.compile is True else None
        self.compile_fault = ""
        self.parameters = [*self.model.parameters(), *self.objective.parameters()]
        self.given: list[bool] = []

    def _graphs(self) -> CapturedGradients:
        recorder = CudaRecorder(next(self.model.parameters()).device)
        return CapturedGradients([self.model, self.objective], recorder, self.must_capture)

    @property
    def captured(self) -> bool:
        """Whether steps are replayed."""
        return self.graphs is not None and bool(self.graphs.recorded)

    @property
    def capture_fault(self) -> str:
        return self.graphs.fault if self.graphs else ""

    def __call__(self, batch: Batch, place: tuple[int, ...] = ()) -> StepRecord:
        """``batch`` is on the model's device. What is worth writing down stays there: nothing waits for it.

        Args:
            place: seed and number of the step, which the draws follow where the batch is computed in parts.
        """
        record = self.together(self, batch) if self.together else None
        if record is None:
            record = self.add_gradients(batch, place)
        if self.ranks.size > 1:
            self._add_up()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.train.clip_norm or float("inf"))
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return {**record, "norm": norm.detach()}

    def copied(self) -> TrainingStep:
        """The same with a model and an objective of its own, which trains nothing: to try something out."""
        model, objective = copy.deepcopy((self.model, self.objective))
        return replace(self, model=model, objective=objective, together=None)

    def add_gradients(self, batch: Batch, place: tuple[int, ...] = ()) -> StepRecord:
        """Give the parameters the gradients of a batch's loss, this rank's share of it; in parts where it must be.

        Raises:
            MemoryExhaustedError: a single text does not fit; or a batch, beside other runs, which it may do alone.
        """
        while True:
            try:
                if self.graphs and not self.micro_batch and len(batch.ids_BN) == self.train.batch_size:
                    return self.graphs(batch, self._of_whole)
                return self._gradients(batch, place)
            except (RuntimeError, MemoryError) as error:
                cause, full = in_a_line(error)[:LONGEST] or type(error).__name__, ran_out_of_memory(error)
                if not full and (self.must_compile or not cannot_compile(error)):
                    raise
            # Here nothing holds what the step had computed: the error did.
            self._go_on_after(cause, full, batch)

    def _add_up(self) -> None:
        """The gradients of all processes' shares; of the parameters that the first step found to have any."""
        given = [parameter.grad is not None for parameter in self.parameters]
        alike = given == self.given if self.given else self.ranks.alike(given)
        if not alike:
            raise SwarmformerError(
                "which parameters get a gradient differs between processes, or from the step before: such a model "
                "cannot be trained by several processes; start it without torchrun"
            )
        self.given = given
        self.ranks.add_up([parameter.grad for parameter in self.parameters if parameter.grad is not None])

    def _of_whole(self, batch: Batch) -> StepRecord:
        return self._gradients(batch, ())

    def _gradients(self, batch: Batch, place: tuple[int, ...]) -> StepRecord:
        record: StepRecord = {}
        with autocast(batch.ids_BN.device, self.train.precision):  # around all parts: weights are cast once
            for share in self._shares(batch, place):
                for part in self.parts_of(share.part):
                    for name, value in self._gradients_of(share.piece(part)).items():
                        record[name] = record[name] + value if name in record else value
        return record

    def _gradients_of(self, share: BatchShare) -> StepRecord:
        total, record = self.loss_of(share)
        with autocast(share.part.ids_BN.device, "fp32"):
            total.backward()
        return record

    def loss_of(self, share: BatchShare) -> tuple[Tensor, StepRecord]:
        """That of a part, weighed as it counts in the batch; and what it tells, weighed alike and detached."""
        batch = share.part
        forward = Passes(self.model, self.detailed, self.train.precision)
        with autocast(batch.ids_BN.device, "fp32"):
            loss, weight = self.objective.loss(forward, batch), share.of(self.objective.mean_over)
            total = loss.total * weight + self._auxiliary(forward.outputs, share)
        parts = {f"loss/{name}": value.detach() * weight for name, value in loss.parts.items()}
        return total, {"loss": total.detach(), **parts, **self._details(forward.outputs[-1], share)}

    def _shares(self, batch: Batch, place: tuple[int, ...]) -> Iterator[BatchShare]:
        """What this rank computes of a batch, one after the other."""
        count = self._parts_in_all(batch)
        if count == 1:
            yield BatchShare(batch, batch)
            return
        for number, share in shares(batch, count, self.ranks.rank, self.ranks.size):
            draw_by_place(*place, number)
            yield share

    def _parts_in_all(self, batch: Batch) -> int:
        """Parts of a batch, the last and shorter one of an epoch too: as many for each rank."""
        return self._parts_in_all_of(max(self.train.batch_size, len(batch.ids_BN)))

    def _parts_in_all_of(self, texts: int) -> int:
        ranks = self.ranks.size
        return ranks * -(-texts // (ranks * self.micro_batch)) if self.micro_batch else ranks

    def _go_on_after(self, cause: str, full: bool, batch: Batch) -> None:
        """Make ready to compute a batch once more, in another way."""
        graphs = self.graphs if full and self.graphs and self.graphs.recorded else None
        if graphs:
            graphs.forget()  # before what is free is given back
        self._start_anew()
        if graphs:
            logger.warning("out of memory: from here on steps are not replayed, whose graphs took memory (%s)", cause)
        elif full:
            self._make_room(batch, cause)
        else:
            self._compile_no_more(cause)

    def _make_room(self, batch: Batch, cause: str) -> None:
        """Halve the texts that are computed at once, which are drawn for otherwise; not for what others have taken.

        Raises:
            MemoryExhaustedError: a batch that cannot be parted, or a single text that does not fit.
        """
        if self.together is not None:
            raise MemoryExhaustedError(f"out of memory beside other runs: {cause}")
        B, N = batch.ids_BN.shape
        texts = -(-B // self._parts_in_all(batch))
        whole = why_whole(self.model, self.objective)
        if whole or texts < 2:
            why = f"and {whole}" if whole else "and nothing smaller can be computed"
            words = "set a smaller train.batch_size, data.cut or model.dims.seq_len, or take more memory"
            here = f"out of memory with {texts} texts of {N} tokens at once, {why}"
            raise MemoryExhaustedError(f"{here}; {words}: {cause}")
        self.micro_batch = -(-texts // 2)
        if self.graphs:
            self.graphs.forget()
        logger.warning(
            "out of memory with %d texts of %d tokens at once: from here on %d at once, with the gradient of the "
            "whole batch as before (%s)", texts, N, self.micro_batch, cause,
        )  # fmt: skip

    def _start_anew(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        if self.parameters[0].is_cuda:
            torch.cuda.empty_cache()

    def _compile_no_more(self, cause: str) -> None:
        self.compiled, self.compile_fault = None, cause
        logger.warning("torch.compile failed, the run goes on without it; train.compile=false leaves it out: %s", cause)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None) -> ModelOutput:
        """The model's pass; compiled for the size of a full batch's parts: a smaller last one is not worth a graph."""
        count = self._parts_in_all_of(self.train.batch_size)
        full = self.train.batch_size // count <= len(ids_BN)
        return self.compiled(ids_BN, mask_BN) if self.compiled and full else self.model.detailed(ids_BN, mask_BN)

    def parts_of(self, batch: Batch) -> list[Batch]:
        """The batch in pieces where its gradient is the sum of theirs and they are quicker, or else itself."""
        whole = self.model.whole_batch or not self.objective.in_pieces or self.compiled is not None
        if whole or batch.at_M is not None:
            return [batch]
        cut = training_pieces(batch.ids_BN, batch.mask_BN, self.model.honours_mask)
        return [batch.piece(piece) for piece in cut] or [batch]

    def _auxiliary(self, outputs: list[ModelOutput], share: BatchShare) -> Tensor | float:
        """What the model adds to the loss, as a mean over its passes."""
        return sum(sum(self._weighed(output.losses, share).values()) for output in outputs) / len(outputs)

    def _details(self, output: ModelOutput, share: BatchShare) -> StepRecord:
        """Auxiliary losses as ``loss/name``, telemetry as ``layer/name``, detached."""
        told = {f"loss/{name}": value for name, value in self._weighed(output.losses, share).items()}
        for layer, values in enumerate(output.telemetry):
            told |= {f"{layer}/{name}": value for name, value in self._weighed(values, share).items()}
        return {name: value.detach() for name, value in told.items()}

    def _weighed(self, values: Mapping[str, Tensor], share: BatchShare) -> StepRecord:
        over = self.model.means_over or {}
        return {name: value * share.of(over.get(name, "texts")) for name, value in values.items()}


def training_step(model: Model, train: TrainSpec) -> TrainingStep:
    """The step that a section ``train``, its stages aside, makes with ``model``, where that is now."""
    device = next(model.parameters()).device
    made = make_ingredients(train, model.dims)
    objective = made.objective.to(device)
    optimiser = made.optimiser.build([model, objective], device)
    return TrainingStep(model, objective, optimiser, train, micro_batch=train.micro_batch)
