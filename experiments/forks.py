"""The parent of a grid's processes: ``python -m experiments.forks MODULE…`` imports the modules once, then forks.

Started by ``experiments.server`` and told over standard input, one JSON line each, what to start and what to
signal; it answers on standard output with the exit status of every process that ended.

A fork copies one thread only, so nothing is computed here: torch's thread pools and CUDA start in the forks.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

STDIN, STDOUT, STDERR = 0, 1, 2
READ_SIZE = 65536
Request = dict[str, Any]


class Forks:
    """Forks on request until standard input ends, as it does when the grid's process ends, however it ends."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.numbers: dict[int, int] = {}  # process id → the grid's number for it
        # Closes with this process: every fork waits for that, see supervised.py.
        self.alive_read, self.alive_write = os.pipe()
        self.ended_read, ended_write = os.pipe()
        os.set_blocking(ended_write, False)
        signal.set_wakeup_fd(ended_write)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def serve(self) -> Request | None:
        """Comes back in every fork with what it is to run, and here with None at the end."""
        lines = _Lines()
        while not lines.ended:
            ready, _, _ = select.select([STDIN, self.ended_read], [], [])
            if self.ended_read in ready:
                os.read(self.ended_read, READ_SIZE)
                self._report()
            for line in lines.read() if STDIN in ready else ():
                request: Request = json.loads(line)
                if "signal" in request:
                    self._signal(request["number"], request["signal"])
                elif self._fork(request["number"]):
                    return request
        return None

    def _fork(self, number: int) -> bool:
        """True in the fork."""
        process = os.fork()
        if process == 0:
            self._leave()
            return True
        self.numbers[process] = number
        return False

    def _leave(self) -> None:
        """In a fork: keep of the parent only the end of the pipe that tells of its end."""
        os.close(self.answers)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(self.alive_write)
        os.dup2(self.alive_read, STDIN)

    def _signal(self, number: int, signal_number: int) -> None:
        for process, its_number in self.numbers.items():  # only those not yet waited for: the id is still theirs
            if its_number == number:
                os.kill(process, signal_number)

    def _report(self) -> None:
        while self.numbers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            answer = {"number": self.numbers.pop(process), "status": os.waitstatus_to_exitcode(status)}
            os.write(self.answers, (json.dumps(answer) + "\n").encode())


class _Lines:
    """Whole lines of standard input, without blocking for more than is there."""

    def __init__(self) -> None:
        self.rest, self.ended = b"", False

    def read(self) -> Iterator[bytes]:
        part = os.read(STDIN, READ_SIZE)
        self.ended = not part
        *whole, self.rest = (self.rest + part).split(b"\n")
        yield from whole


def preload(modules: Sequence[str]) -> None:
    """Import what the forks need; ``gc.freeze`` keeps their collectors from touching, and so copying, shared pages."""
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()


def become(request: Request) -> None:
    """Run a module in this fork as ``python -m`` would, with its output in a file."""
    output = os.open(Path(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, STDOUT)
    os.dup2(output, STDERR)
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the forks, and the grid says what is to be done
    answers = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)  # what an import may print must not be taken for an answer
    preload(sys.argv[1:])
    request = Forks(answers).serve()
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
