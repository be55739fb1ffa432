"""Processes of this machine, threads and GPUs shared out among them.

The standard library's fork server imports what cells need once (``preload``) and forks; measurements get interpreters
of their own. A fork copies one thread only, so nothing is computed in the server: torch's threads and CUDA start in
the forks.
"""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any

from swarmformer.errors import SpecError

from . import Executor, Job
from .supervise import FORKS

GRACE_S = 20.0
LOOK_S = 1.0
PRELOADED = (f"{__package__}.preload",)


class Local(Executor):
    """``workers`` slots; slot i has GPU i modulo the number of GPUs.

    Slots beyond them have no GPU, for jobs that need none where others do: minutes of a CPU must not keep a GPU idle.

    Raises:
        SpecError: on Windows.
    """

    def __init__(self, workers: int, device: str = "auto", threads: int = 1, options: Any = None) -> None:
        if sys.platform == "win32":
            raise SpecError("this executor needs signals and process groups, which Windows has not; run it under WSL2")
        super().__init__(workers, device, threads or usable_threads(), options)
        self.gpus = [] if device == "cpu" else visible_gpus()
        self.slots: dict[int, tuple[Job, BaseProcess]] = {}
        self.method = "forkserver" if FORKS else "spawn"

    @classmethod
    def default_workers(cls, jobs: int, device: str, threads: int = 1, options: Any = None) -> int:
        """One worker per GPU, else as many as the cores have room for, at most 8, never more than there are jobs."""
        gpus = [] if device == "cpu" else visible_gpus()
        return max(1, min(len(gpus) or min(8, usable_cores() // max(threads, 1)), jobs))

    def has_room(self, running: Collection[Job]) -> bool:
        return len([job for job in running if not self._is_beside(job)]) < self.workers

    def _is_beside(self, job: Job) -> bool:
        return job.on_cpu and bool(self.gpus)

    def submit(self, job: Job) -> None:
        slots = itertools.count(self.workers) if self._is_beside(job) else range(self.workers)
        slot = next(slot for slot in slots if slot not in self.slots)
        job.output.parent.mkdir(parents=True, exist_ok=True)
        arguments = [*job.arguments, "--threads", str(self.threads)]
        context: Any = multiprocessing.get_context("spawn" if job.fresh else self.method)
        context.set_forkserver_preload(list(PRELOADED))  # has no effect where the server runs
        environment = self._environment(slot)
        process = context.Process(target=run, args=(job.module, arguments, job.output, environment), name=job.title)
        with _set_for_a_moment(environment):  # some of it is read when a library is loaded
            process.start()
        self.slots[slot] = job, process

    def _environment(self, slot: int) -> dict[str, str]:
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        # CUDA cannot be used in a fork of a process that has asked the driver whether it is there; NVML may be asked.
        # The process that computes asks CUDA itself (``environment.resolve_device``).
        environment["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
        if self.workers > 1:
            # Side by side, threads that spin while they wait starve those they wait for. Alone (as when latency
            # is measured) they may: waking a sleeping thread costs more than a small operation.
            environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)] if slot < self.workers else ""
        return environment

    def ask(self) -> dict[Job, int]:
        while not (ended := self.ended()):  # a sentinel may tell before the system has the exit status
            connection.wait([process.sentinel for _, process in self.slots.values()])
        return ended

    def ended(self) -> dict[Job, int]:
        """What ``ask`` would return, without waiting: perhaps nothing."""
        statuses = {slot: process.exitcode for slot, (_, process) in self.slots.items()}
        return {self.slots.pop(slot)[0]: status for slot, status in statuses.items() if status is not None}

    def cancel(self) -> None:
        for _, process in self.slots.values():
            process.terminate()
        deadline = time.monotonic() + GRACE_S
        for _, process in self.slots.values():
            process.join(max(0.1, deadline - time.monotonic()))
            process.kill()
            process.join()
        self.slots.clear()


@contextmanager
def _set_for_a_moment(values: dict[str, str]) -> Iterator[None]:
    """Only what differs is touched: other threads of the grid's process read the environment meanwhile."""
    before = {name: os.environ.get(name) for name, value in values.items() if os.environ.get(name) != value}
    os.environ.update({name: values[name] for name in before})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run(module: str, arguments: Sequence[str], output: Path, environment: dict[str, str]) -> None:
    """In the new process: a module's ``main`` with its output in a file, and signals that mean what they usually do."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # under submitit they would put its own job back into the queue
    for number in (signal.SIGUSR2, signal.SIGCONT):
        signal.signal(number, signal.SIG_IGN)
    _end_with_parents()
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(importlib.import_module(module).main(arguments))


def _end_with_parents() -> None:
    """Send this process SIGTERM when the grid's process is gone, or the server that forked it, even by kill -9."""
    parent, grid = os.getppid(), multiprocessing.parent_process()
    assert grid is not None

    def wait() -> None:
        while os.getppid() == parent and not connection.wait([grid.sentinel], timeout=LOOK_S):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=wait, daemon=True).start()


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_threads() -> int:
    """A thread for each core that this process may run on, but no more than ``OMP_NUM_THREADS``, where it is set."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return min(int(said), usable_cores()) if said.isdecimal() and int(said) else usable_cores()


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as in ``CUDA_VISIBLE_DEVICES``."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    import torch  # here, so that a process that only forks does without

    return [str(index) for index in range(torch.cuda.device_count())]
