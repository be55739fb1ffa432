"""Executors: where the jobs of a grid run.

An executor is a class with three methods, chosen by name (``swarmformer grid run GRID --executor NAME``): ``submit`` a
job, ``ask`` which have ended, ``cancel`` what runs. ``local`` runs processes on this machine; others are declared in
the entry-point group ``swarmformer.executors``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError, suggest
from swarmformer.merge import given_once

GROUP = "swarmformer.executors"
BUILT_IN = {"local": "Local", "ray": "Ray", "slurm": "Slurm"}
"""Name, which is the module's too → class."""


@dataclass(frozen=True, eq=False)
class Job:
    """A module's ``main(arguments)`` to run in a process of its own; its output is appended to ``output``."""

    title: str
    module: str
    arguments: tuple[str, ...]
    output: Path
    ready: Callable[[], bool] = lambda: True
    """Asked just before the job is submitted: does the work, if any, that must come first; False skips the job."""
    folder: Path | None = None
    """All that the job reads and writes, where it is a cell."""
    fresh: bool = False
    """Whether to start an interpreter of its own (for measurements) where a fork would be quicker."""
    on_cpu: bool = False
    """Whether it computes on the CPU wherever cells do, and need hold no GPU."""


class Executor(ABC):
    """Runs at most ``workers`` jobs at once. A job's process should end when this process does, however it ends.

    ``threads`` are those of a job, whatever the number of workers: another number is another last digit of a result. 0,
    which only measurements have, is all that there are where it runs.
    """

    Options: ClassVar[type[Strict]] = Strict
    """The model of what else may be said: ``--option KEY=VALUE``."""
    elsewhere: ClassVar[bool] = False
    """Whether jobs run on other machines: then whoever starts them need not have the device that is asked for."""

    def __init__(self, workers: int, device: str = "auto", threads: int = 1, options: Any = None) -> None:
        self.workers, self.device, self.threads = workers, device, threads
        self.options: Any = options or self.Options()

    def alone(self, threads: int) -> Executor:
        """The same for one job at a time with so many threads, for measurements."""
        return type(self)(1, self.device, threads, self.options)

    @classmethod
    @abstractmethod
    def default_workers(cls, jobs: int, device: str, threads: int = 1, options: Any = None) -> int:
        """How many to run at once where nobody says it, with so many threads each."""

    def has_room(self, running: Collection[Job]) -> bool:
        """Whether another job may be submitted beside these."""
        return len(running) < self.workers

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Start a job. Its module gets ``--threads N`` behind its arguments, unless that is 0."""

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
            while waiting and executor.has_room(started):
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
    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if len(points) + (name in BUILT_IN) > 1:
        values = ", ".join(point.value for point in points)
        raise SpecError(f"executor {name!r} is declared more than once ({values}{', built-in' * (name in BUILT_IN)})")
    if name in BUILT_IN:
        built_in: type[Executor] = getattr(import_module(f"{__name__}.{name}"), BUILT_IN[name])
        return built_in
    known = [*BUILT_IN, *(point.name for point in entry_points(group=GROUP))]
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


def options_of(executor: type[Executor], name: str, words: Sequence[str]) -> Strict:
    """``KEY=VALUE`` words as the options of an executor.

    Raises:
        SpecError: a word without ``=``, a key twice, an unknown key or a value that does not fit.
    """
    for word in words:
        if "=" not in word:
            raise SpecError(f"--option {word}: write KEY=VALUE")
    pairs = given_once(((key, value) for key, _, value in (word.partition("=") for word in words)), "--option")
    known = list(executor.Options.model_fields)
    for key in pairs:
        if key not in known:
            has = f"Options: {', '.join(known)}" if known else "It has none"
            raise SpecError(f"executor {name!r} has no option {key!r}.{suggest(key, known)} {has}")
    try:
        return executor.Options.model_validate_strings(pairs)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"executor {name!r}, option {key}: {first['msg']}, not {pairs.get(key, '')!r}") from None
