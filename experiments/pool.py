"""A pool of processes: one per job, threads and GPUs shared out among the workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import torch

from . import supervised
from .server import Fork, ForkServer

GRACE_S = 20.0
FORKS = sys.platform == "linux"
"""Elsewhere a fork of a process that has loaded torch is not safe, and every process starts afresh."""


@dataclass(frozen=True)
class Job:
    """A module to run: ``python -m <module> <arguments> --threads N``; its output goes to ``output``."""

    title: str
    module: str
    arguments: tuple[str, ...]
    output: Path
    ready: Callable[[], bool] = lambda: True
    """Asked just before the process is started: does the work, if any, that must come first; False skips the job."""
    fresh: bool = False
    """Whether to start an interpreter of its own (for measurements) where a fork would be quicker."""


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes] | Fork
    started: float


OnDone = Callable[[Job, int, float], None]
"""Called with the job, its exit status and its seconds."""


class Pool:
    """Runs jobs in order on ``workers`` slots; slot i has GPU i modulo the number of GPUs."""

    def __init__(self, workers: int, on_done: OnDone, device: str = "auto") -> None:
        self.workers, self.on_done = workers, on_done
        self.gpus = [] if device == "cpu" else visible_gpus()
        self.threads = max(1, usable_cores() // workers)
        self.slots: dict[int, _Running] = {}
        self.ended: SimpleQueue[tuple[int, int]] = SimpleQueue()  # (slot, exit status)
        self.server: ForkServer | None = None

    def run(self, jobs: Sequence[Job]) -> None:
        """Run all jobs; on any exception (Ctrl-C, SIGTERM) the running ones are stopped first."""
        waiting = list(jobs)
        try:
            while waiting or self.slots:
                self._fill(waiting)
                if self.slots:
                    self._collect()
        finally:
            self._stop()

    def _fill(self, waiting: list[Job]) -> None:
        for slot in range(self.workers):
            while slot not in self.slots and waiting:
                job = waiting.pop(0)
                if job.ready():
                    self.slots[slot] = self._start(job, slot)

    def _start(self, job: Job, slot: int) -> _Running:
        job.output.parent.mkdir(parents=True, exist_ok=True)
        running = _Running(job, self._process(job, slot), time.monotonic())
        Thread(target=lambda: self.ended.put((slot, running.process.wait())), daemon=True).start()
        return running

    def _process(self, job: Job, slot: int) -> subprocess.Popen[bytes] | Fork:
        arguments = [*job.arguments, "--threads", str(self.threads)]
        if job.fresh or not FORKS:
            return self._interpreter(job, [sys.executable, "-m", job.module, *arguments], slot)
        if self.server is None or not self.server.alive:
            self.server = ForkServer(self._environment())
        return self.server.start(job.module, arguments, job.output, self._gpu(slot))

    def _interpreter(self, job: Job, command: Sequence[str], slot: int) -> subprocess.Popen[bytes]:
        with job.output.open("ab") as output:
            return subprocess.Popen(
                command,
                env={**self._environment(), **self._gpu(slot)},
                stdin=subprocess.PIPE,  # closes when this process ends, however it ends
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        if self.workers > 1:
            # Side by side, threads that spin while they wait starve those they wait for. Alone (as when latency
            # is measured) they may: waking a sleeping thread costs more than a small operation.
            environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return {**environment, supervised.VARIABLE: "1"}

    def _gpu(self, slot: int) -> dict[str, str]:
        return {"CUDA_VISIBLE_DEVICES": self.gpus[slot % len(self.gpus)]} if self.gpus else {}

    def _collect(self) -> None:
        """Wait until a process ends."""
        slot, status = self.ended.get()
        running = self.slots.pop(slot)
        self.on_done(running.job, status, time.monotonic() - running.started)

    def _stop(self) -> None:
        """Ask what still runs to stop (it keeps its checkpoint), then insist."""
        for running in self.slots.values():
            running.process.terminate()
        deadline = time.monotonic() + GRACE_S
        for running in self.slots.values():
            try:
                running.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        self.slots.clear()
        self.ended = SimpleQueue()
        if self.server is not None:
            self.server.close()
            self.server = None


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name not in ("", "-1")]
    return [str(index) for index in range(torch.cuda.device_count())]


def default_workers(jobs: int, device: str = "auto") -> int:
    """One worker per GPU, else one per core, at most 8, never more than there are jobs."""
    gpus = [] if device == "cpu" else visible_gpus()
    available = len(gpus) or min(8, usable_cores())
    return max(1, min(available, jobs))
