"""The process of a cell, watched by another that runs no code but ours.

A cell runs whatever its components do: it may hang, exit, crash or eat all memory, and cannot be trusted to say so. The
supervisor starts it in a process of its own, reads its signs of life and its size, ends it at a limit, starts it again
where it died, and writes down why it did not finish. What the cell says of itself comes through a pipe, so that no exit
status of a component can be taken for ours.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import IO, Any

import psutil

from swarmformer.records import CHECKPOINT

from ..follow import SIGNS
from ..limits import StartLimits
from .failures import MAX_DEATHS, after_deaths, cause_of_exit, record_failure

DONE, FAILED, BUSY, STOPPED = 0, 1, 3, 143
"""Exit statuses of a supervisor. Which of them a cell is in, its files tell; ``BUSY`` and ``STOPPED`` leave none."""
LOOK_S, GRACE_S = 0.5, 15.0
PAUSE_S = 10.0
"""Between two looks of a supervisor that was not stopped itself; time beyond that does not count against a cell."""
PR_SET_PDEATHSIG = 1
FORKS = sys.platform == "linux"
"""Elsewhere a fork of a process that has loaded torch is not safe."""
Tell = Callable[[int], None]
Work = Callable[[Any, Tell], None]
"""What runs in the cell's process; it tells how it ended with one of the statuses."""


class Supervisor:
    """Runs ``work(arguments, tell)`` for the cells in ``folders``, within limits.

    A single cell has failed where its process dies again and again, or is ended. Several in one process are left as
    they are: which of them it was, they tell when each is run alone.

    Under systems that cannot fork, ``work`` and ``arguments`` must be importable.
    """

    def __init__(self, folders: Sequence[Path], work: Work, arguments: Any, limits: StartLimits) -> None:
        self.folders, self.work, self.arguments, self.limits = folders, work, arguments, limits
        self.alone = len(folders) == 1
        self.asked = False  # to stop
        self.passed_s = self.silent_s = 0.0
        self.looked = time.monotonic()
        self.signs = self._signs()

    def run(self) -> int:
        """Until the cell is finished, has failed or must be left; the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's word that time is up; whoever submitted us answers it
        deaths = 0
        while True:
            before = self._signs(CHECKPOINT)
            status, cause, stack = self._start()
            if status is not None:
                return status
            if self.asked:
                return STOPPED
            deaths = 1 if self._signs(CHECKPOINT) != before else deaths + 1
            print(f"{self.folders[0].name}: {cause}", file=sys.stderr, flush=True)
            if deaths == MAX_DEATHS or not self.alone:
                return self._fail(after_deaths(cause), stack)

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True

    def _fail(self, cause: str, stack: str) -> int:
        if self.alone:
            record_failure(self.folders[0], cause, traceback=stack, resumable=True)
        return FAILED

    def _start(self) -> tuple[int | None, str, str]:
        """Run the process once: what it told, or None with how it died and what its stack was then."""
        self.passed_s, self.silent_s, self.looked = 0.0, 0.0, time.monotonic()  # limits are of one start
        context: Any = multiprocessing.get_context("fork" if FORKS else "spawn")
        ours, theirs = context.Pipe(duplex=False)
        with tempfile.TemporaryFile() as stack:
            own = (os.getpid(), theirs, stack if FORKS else None, self.work, self.arguments)
            process = context.Process(target=_become_cell, args=own)
            process.start()
            theirs.close()
            told, cause = self._watch(process, ours)
            stack.seek(0)
            words = stack.read().decode(errors="replace")
        if cause:
            print(f"{self.folders[0].name}: {cause}", file=sys.stderr, flush=True)
            return self._fail(cause, words), cause, words
        if told == STOPPED and not self.asked:
            return None, "its process was asked to stop, but not by its grid", ""
        return told, cause_of_exit(process.exitcode), words

    def _watch(self, process: BaseProcess, word: connection.Connection) -> tuple[int | None, str]:
        """Until the process has ended: what it told, and why it was ended, where it was."""
        told, told_s, cause = None, 0.0, ""
        while process.exitcode is None:  # the sentinel alone is kept open by whatever the cell forked
            if connection.wait([process.sentinel], LOOK_S):
                continue
            self._count()
            told = _read(word) if told is None else told
            told_s += 0.0 if told is None else LOOK_S
            cause = self._overrun(process) if told is None and not self.asked else ""
            if self.asked or cause or told_s > GRACE_S:  # what a component leaves running must not keep us
                _end(process, signal.SIGABRT if cause else signal.SIGTERM)
                break
        process.join()
        with suppress(ProcessLookupError, PermissionError):  # what it started and left behind
            os.killpg(process.pid or 0, signal.SIGKILL)
        return _read(word) if told is None else told, cause

    def _count(self) -> None:
        """Time of this supervisor while it ran; a machine that sleeps, or a SIGSTOP, is no fault of the cell."""
        now = time.monotonic()
        passed, self.looked = min(now - self.looked, PAUSE_S), now
        signs = self._signs()
        self.silent_s = self.silent_s + passed if signs == self.signs else 0.0
        self.passed_s += passed
        self.signs = signs

    def _signs(self, *names: str) -> list[tuple[int, int] | None]:
        """Of every file that living cells write, when and how long: compared with what it was, not with a clock."""
        return [signature(folder / name) for folder in self.folders for name in names or SIGNS]

    def _overrun(self, process: BaseProcess) -> str:
        limits = self.limits
        if limits.minutes is not None and self.passed_s > 60 * limits.minutes:
            return f"ended at its limit of {limits.minutes:g} minutes"
        if limits.silent_minutes is not None and self.silent_s > 60 * limits.silent_minutes:
            return f"hung: ended after {limits.silent_minutes:g} minutes without a sign of life"
        if limits.memory_gb is not None and (size := _size(process.pid)) > limits.memory_gb:
            return f"ended at its limit of {limits.memory_gb:g} GB of memory: it held {size:.2f}"
        return ""


def _read(word: connection.Connection) -> int | None:
    with suppress(EOFError, OSError, ValueError):
        return int(word.recv_bytes()) if word.poll() else None
    return None


def signature(path: Path) -> tuple[int, int] | None:
    """When a file was written and how long it is; None where it is not there."""
    with suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    return None


def _size(process: int | None) -> float:
    """Gigabytes that a process and those it started hold."""
    total = 0
    with suppress(psutil.Error):
        first = psutil.Process(process)
        for one in (first, *first.children(recursive=True)):
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total / 1e9


def _end(process: BaseProcess, first: signal.Signals) -> None:
    """A signal, and SIGKILL where it does not help; SIGABRT makes the process write down where it stands."""
    with suppress(ProcessLookupError):
        os.kill(process.pid or 0, first)
    process.join(GRACE_S if first is signal.SIGTERM else GRACE_S / 3)
    process.kill()


def _become_cell(parent: int, word: connection.Connection, stack: IO[bytes] | None, work: Work, arguments: Any) -> None:
    """In the cell's process, before anything of the cell."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, meant for the grid, which says SIGTERM
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _leave_no_core()
    with suppress(OSError):  # where memory ends, the system should take this process, not those that watch
        Path("/proc/self/oom_score_adj").write_text("1000")
    _die_with(parent)
    faulthandler.enable(stack or sys.stderr)
    work(arguments, lambda status: word.send_bytes(str(status).encode()))


def _leave_no_core() -> None:
    """A crash is told by its stack; its memory may be larger than the disk."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _die_with(parent: int) -> None:
    """End when the supervisor is gone, by kill -9 too, and even where the cell hangs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)

    if sys.platform != "linux":
        Thread(target=wait, daemon=True).start()
    elif os.getppid() != parent:  # gone before we asked to be told
        os.kill(os.getpid(), signal.SIGKILL)
