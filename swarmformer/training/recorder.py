"""CUDA graphs: work of a device recorded once, and replayed over the same memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor

from swarmformer.errors import CaptureError
from swarmformer.records.base import in_a_line

WARM = 2
"""Steps of each shape that are computed as usual before it is recorded: they choose kernels and fill caches."""
TOLERANCE = 1e-3
"""What a replay may differ by from the same step computed as usual, of a gradient as a share of its norm: sums of
embeddings are rounded in any order; other random draws change far more."""
LEAST = 1e-6
"""What it may differ by all the same: of a model that has converged, little but rounding is left."""


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
        if device.type != "cuda":
            raise CaptureError(f"steps are recorded on CUDA devices, not on {device}")
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self) -> Iterator[None]:
        usual = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(usual)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:  # what was begun there reads memory that is given back here
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
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()  # as torch.cuda.graph: cached memory cannot be given back for another pool meanwhile
        # Not torch.cuda.graph, which leaves its stream in place where recording fails.
        with self.aside():
            graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
            try:
                given = work()
            finally:
                graph.capture_end()
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
    apart, size = (given - truth).abs().max(), truth.abs().max()
    if not bool(is_close(apart, size)):
        raise CaptureError(
            f"a replay differs from the pass that it stands for, by {float(apart):.3g} of {float(size):.3g}"
        )
    return given, replay


def is_close(apart: Tensor, size: Tensor) -> Tensor:
    """Whether a replay that is ``apart`` from what it stands for, which has a ``size``, is so by rounding alone."""
    return apart <= TOLERANCE * size + LEAST
