"""Executors: where the jobs of a grid run.

An executor is a class with three methods, chosen by name (``swarmformer grid run GRID --executor NAME``): ``submit`` a
job, ``ask`` which have ended, ``cancel`` what runs. ``local`` runs processes on this machine; others are declared in
the entry-point group ``swarmformer.executors``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from swarmformer.errors import SpecError, suggest

GROUP = "swarmformer.executors"


@dataclass(frozen=True, eq=False)
class Job:
    """A module's ``main(arguments)`` to run in a process of its own; its output is appended to ``output``."""

    title: str
    module: str
    arguments: tuple[str, ...]
    output: Path
    ready: Callable[[], bool] = lambda: True
    """Asked just before the job is submitted: does the work, if any, that must come first; False skips the job."""
    fresh: bool = False
    """Whether to start an interpreter of its own (for measurements) where a fork would be quicker."""


class Executor(ABC):
    """Runs at most ``workers`` jobs at once. A job's process should end when this process does, however it ends.

    ``threads`` are those of a job; 0 leaves them to the executor.
    """

    def __init__(self, workers: int, device: str = "auto", threads: int = 0) -> None:
        self.workers, self.device, self.threads = workers, device, threads

    @classmethod
    @abstractmethod
    def default_workers(cls, jobs: int, device: str, threads: int = 0) -> int:
        """How many to run at once where nobody says it, with so many threads each."""

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Start a job. Its module gets ``--threads N`` behind its arguments."""

    @abstractmethod
    def ask(self) -> dict[Job, int]:
        """Wait until a job has ended; the exit statuses of those that have, negative for a signal."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask what runs to stop (SIGTERM: it keeps its checkpoint), insist after a while; nothing runs afterwards."""


OnDone = Callable[[Job, int, float], None]
"""Called with the job, its exit status and its seconds."""


def run_jobs(executor: Executor, jobs: Sequence[Job], on_done: OnDone) -> None:
    """Run all jobs in order; on any exception (Ctrl-C, SIGTERM) the running ones are stopped first."""
    waiting, started = list(jobs), dict[Job, float]()
    try:
        while waiting or started:
            while waiting and len(started) < executor.workers:
                job = waiting.pop(0)
                if job.ready():
                    started[job] = time.monotonic()
                    executor.submit(job)
            for job, status in executor.ask().items() if started else ():
                on_done(job, status, time.monotonic() - started.pop(job))
    finally:
        executor.cancel()


def find_executor(name: str) -> type[Executor]:
    """The class behind a name.

    Raises:
        SpecError: unknown, declared twice, or not an executor that can be loaded.
    """
    from .local import Local

    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if len(points) + (name == "local") > 1:
        values = ", ".join(point.value for point in points)
        raise SpecError(f"executor {name!r} is declared more than once ({values}{', built-in' * (name == 'local')})")
    if name == "local":
        return Local
    known = ["local", *(point.name for point in entry_points(group=GROUP))]
    if not points:
        raise SpecError(
            f"unknown executor {name!r}.{suggest(name, known)} Available: {', '.join(known)}. To use your own: declare "
            f"a subclass of {__name__}.Executor in the entry-point group {GROUP!r}"
        )
    try:
        cls = points[0].load()
    except Exception as error:  # a plug-in may fail in any way
        raise SpecError(f"executor {name!r} ({points[0].value}) cannot be loaded: {error}") from error
    missing = [method for method in Executor.__abstractmethods__ if not callable(getattr(cls, method, None))]
    if missing:
        raise SpecError(f"executor {name!r} ({points[0].value}) has no {', '.join(sorted(missing))}")
    executor: type[Executor] = cls
    return executor
