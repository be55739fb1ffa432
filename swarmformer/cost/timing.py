"""One way to time a call, and the conditions under which timing is worth anything."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns

import torch

from swarmformer.errors import SpecError


def now_s() -> float:
    """Seconds on the clock that all measurements use."""
    return perf_counter_ns() * 1e-9


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was given; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(call: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Wall-clock seconds of one of ``repeats`` calls in a row, from an idle device to an idle device.

    Wall-clock and not device time, so that the time to launch kernels counts: a user waits for it.
    """
    synchronize(device)
    start = perf_counter_ns()
    for _ in range(repeats):
        call()
    synchronize(device)
    return (perf_counter_ns() - start) * 1e-9 / repeats


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Run with this many intra-op threads; afterwards with as many as before.

    Raises:
        SpecError: fewer than one.
    """
    if threads < 1:
        raise SpecError(f"threads must be at least 1, got {threads}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect now and not in the middle of a timed call."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
