"""Gradients of a batch recorded as CUDA graphs, one for each padded length, and replayed.

A small model's step on a GPU takes as long as it takes to start its thousand kernels one by one; a graph starts them
all at once (Ng et al., "Accelerating PyTorch with CUDA Graphs", 2021). Recording needs no compiler.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from swarmformer.contracts import Objective
from swarmformer.data.batching import Batch
from swarmformer.errors import CaptureError
from swarmformer.records.base import in_a_line
from swarmformer.spec import TrainSpec
from swarmformer.training.shares import ran_out_of_memory

logger = logging.getLogger("swarmformer.training")
Record = dict[str, Tensor]
CAPTURE_STEPS = 100
"""Steps of a stage from which recording, some tenths of a second for each padded length, is taken to pay."""
WARM = 2
"""Steps of each shape that are computed as usual before it is recorded: they choose kernels and fill caches."""
TOLERANCE = 1e-3
"""What a replay's gradient may differ by from the same step computed as usual, as a share of its norm: sums of
embeddings are rounded in any order; other random draws, or a value that stood still, change far more."""


def captures(train: TrainSpec, device: torch.device, steps: int, objective: Objective) -> bool:
    """Whether a stage of so many steps is replayed.

    Raises:
        CaptureError: it was asked for where it cannot be.
    """
    why = "" if device.type == "cuda" else f"needs a CUDA device, not {device.type}"
    if not why and objective.reads_values:
        why = f"cannot record objective {objective.registered_name!r}, which reads values from the device"
    if train.capture is True and why:
        raise CaptureError(f"train.capture: true {why}; leave it at auto")
    return train.capture is True or (train.capture == "auto" and not why and steps >= CAPTURE_STEPS)


class Recorder(Protocol):
    """What records the work of a device."""

    def aside(self) -> AbstractContextManager[None]:
        """Compute where recording will."""

    def unread(self) -> AbstractContextManager[None]:
        """Raise RuntimeError where meanwhile a value is read from the device."""

    def random(self) -> Tensor: ...

    def set_random(self, state: Tensor) -> None: ...

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        """What ``work`` will have given after each call of the second, which repeats it on the same memory."""


class CudaRecorder:
    """CUDA graphs in one pool of memory: replayed one at a time, and what one gives is used before the next."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self) -> Iterator[None]:
        usual = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(usual)
        with torch.cuda.stream(self.stream):
            yield
        usual.wait_stream(self.stream)

    @contextmanager
    def unread(self) -> Iterator[None]:
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)

    def random(self) -> Tensor:
        return torch.cuda.get_rng_state(self.device)

    def set_random(self, state: Tensor) -> None:
        torch.cuda.set_rng_state(state, self.device)

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            given = work()
        return given, graph.replay


def replayed(call: Callable[[], Tensor], recorder: Recorder) -> Callable[[], Tensor]:
    """A call that reads the same memory each time, as one that is recorded when ``WARM`` calls have passed. What it
    then returns is overwritten by the next.

    Raises:
        CaptureError: (when called) it cannot be recorded, or the replay gives something else.
    """
    graph: list[tuple[Tensor, Callable[[], None]]] = []
    past = 0

    def again() -> Tensor:
        nonlocal past
        past += 1
        if past <= WARM:
            with recorder.aside():
                return call()
        if not graph:
            graph.append(_held(call, recorder))
        given, replay = graph[0]
        replay()
        return given

    return again


def _held(call: Callable[[], Tensor], recorder: Recorder) -> tuple[Tensor, Callable[[], None]]:
    try:
        with recorder.aside(), recorder.unread():
            truth = call()
        given, replay = recorder.record(call)
    except RuntimeError as error:
        raise CaptureError(f"a pass cannot be recorded: {in_a_line(error)}") from error
    replay()
    apart, size = float((given - truth).abs().max()), float(truth.abs().max())
    if not apart <= TOLERANCE * size:
        raise CaptureError(f"a replay differs from the pass that it stands for, by {apart:.3g} of {size:.3g}")
    return given, replay


@dataclass(frozen=True)
class _Recorded:
    """A graph with the memory that it reads (``batch``) and writes: gradients, and what is told, by ``names``."""

    batch: Batch
    names: tuple[str, ...]
    told: Tensor
    gradients: list[Tensor | None]
    replay: Callable[[], None]


class CapturedGradients:
    """Call it with a batch as what it was made of: ``compute``, which gives the parameters the gradients of the batch.

    Each shape is computed as usual ``WARM`` times, then recorded; its first replay is held against the same step
    computed as usual, dropout included. Where recording fails, or the two differ, ``fault`` says why, and from there
    on all is computed as usual; an error where ``must``.
    """

    def __init__(
        self, compute: Callable[[Batch], Record], modules: list[nn.Module], recorder: Recorder, must: bool
    ) -> None:
        self.compute, self.recorder, self.must = compute, recorder, must
        self.modules = modules
        self.parameters = [parameter for module in modules for parameter in module.parameters()]
        self.seen: Counter[tuple[int, ...]] = Counter()
        self.recorded: dict[tuple[int, ...], _Recorded] = {}
        self.fault = ""

    def __call__(self, batch: Batch) -> Record:
        shape = tuple(batch.ids_BN.shape)
        if shape in self.recorded:
            return self._replayed(self.recorded[shape], batch)
        self.seen[shape] += 1
        if self.fault or batch.at_M is not None or self.seen[shape] <= WARM:
            with self.recorder.aside():
                return self.compute(batch)
        return self._first(shape, batch)

    def _first(self, shape: tuple[int, ...], batch: Batch) -> Record:
        """Record the step of a shape and replay it, or compute it as usual where that fails."""
        before = self._state()
        try:
            truth, gradients = self._as_usual(batch)
            self._restore(before)
            recorded = self._record(batch)
            record = self._replayed(recorded, batch)
            self._compare(truth["loss"], gradients, record["loss"], recorded.gradients)
        except RuntimeError as error:
            self.fault = in_a_line(error) or type(error).__name__
            if self.must and not ran_out_of_memory(error):
                raise CaptureError(f"train.capture: true, but a step cannot be recorded: {self.fault}") from error
            logger.warning("a step cannot be recorded, the run goes on without it; train.capture=false leaves it "
                           "out: %s", self.fault)  # fmt: skip
        else:
            self.recorded[shape] = recorded
            return record
        self._restore(before)
        with self.recorder.aside():
            return self.compute(batch)

    def _as_usual(self, batch: Batch) -> tuple[Record, list[Tensor | None]]:
        with self.recorder.aside(), self.recorder.unread():
            truth = self.compute(batch)
        return truth, self._taken()

    def _record(self, batch: Batch) -> _Recorded:
        names: list[str] = []
        tensors = {name: getattr(batch, name).clone() for name in ("ids_BN", "mask_BN", "labels_M")}
        fixed = replace(batch, **tensors)

        def work() -> Tensor:
            record = self.compute(fixed)
            names[:] = record
            return torch.stack([value.float() for value in record.values()])

        places = [buffer.data_ptr() for buffer in self._buffers()]
        told, replay = self.recorder.record(work)
        gradients = self._taken()
        if places != [buffer.data_ptr() for buffer in self._buffers()]:
            raise CaptureError("a buffer is put in another's place instead of being written to")
        return _Recorded(fixed, tuple(names), told, gradients, replay)

    def _replayed(self, recorded: _Recorded, batch: Batch) -> Record:
        for name in ("ids_BN", "mask_BN", "labels_M"):
            getattr(recorded.batch, name).copy_(getattr(batch, name))
        recorded.replay()
        for parameter, gradient in zip(self.parameters, recorded.gradients, strict=True):
            parameter.grad = gradient
        return dict(zip(recorded.names, recorded.told.clone().unbind(), strict=True))

    def _compare(
        self, loss: Tensor, gradients: list[Tensor | None], replayed_loss: Tensor, replayed: list[Tensor | None]
    ) -> None:
        """Raise CaptureError where a replay is not the step that it stands for. Waits for the device, once a shape."""
        if [gradient is None for gradient in gradients] != [gradient is None for gradient in replayed]:
            raise CaptureError("other parameters have a gradient when replayed")
        pairs = [(a, b) for a, b in zip(gradients, replayed, strict=True) if a is not None and b is not None]
        norm = torch.stack([a.float().norm() for a, _ in pairs]).norm()
        apart = torch.stack([(a - b).float().norm() for a, b in pairs]).norm()
        if not bool(apart <= TOLERANCE * norm) or not bool((loss - replayed_loss).abs() <= TOLERANCE * loss.abs()):
            raise CaptureError(
                f"a replay differs from the step that it stands for: loss {float(replayed_loss):.6g} instead of "
                f"{float(loss):.6g}, gradient apart by {float(apart):.3g} of norm {float(norm):.3g}"
            )

    def _taken(self) -> list[Tensor | None]:
        """The gradients, which the parameters have no longer."""
        gradients = [parameter.grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        return gradients

    def _buffers(self) -> list[Tensor]:
        return [buffer for module in self.modules for buffer in module.buffers()]

    def _state(self) -> tuple[Tensor, list[Tensor]]:
        return self.recorder.random(), [buffer.clone() for buffer in self._buffers()]

    def _restore(self, state: tuple[Tensor, list[Tensor]]) -> None:
        """Random numbers and buffers as they were, and no gradients."""
        random, buffers = state
        self.recorder.set_random(random)
        for buffer, value in zip(self._buffers(), buffers, strict=True):
            buffer.copy_(value)
        self._taken()
