"""The grid's side of ``experiments.forks``: start a process there, wait for it, signal it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

PRELOADED = ("experiments.preload",)
LOST = 255
"""Exit status of forks whose parent was killed; they end by themselves and can be continued."""


class Fork:
    """A process of a fork server; used like ``subprocess.Popen``."""

    def __init__(self, server: ForkServer, number: int) -> None:
        self.server, self.number = server, number
        self.status: Future[int] = Future()

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        try:
            return self.status.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired(f"fork {self.number}", timeout or 0.0) from None

    def terminate(self) -> None:
        self.server.signal(self, signal.SIGTERM)

    def kill(self) -> None:
        self.server.signal(self, signal.SIGKILL)


class ForkServer:
    """Starts ``python -m experiments.forks`` in ``environment``; its forks end with it, and it ends with this process.

    Variables that a library reads while it is imported (``OMP_NUM_THREADS``) must be in ``environment``; those
    read later (``CUDA_VISIBLE_DEVICES``) may differ from fork to fork.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "experiments.forks", *PRELOADED]
        # CUDA cannot be used in a fork of a process that has asked the driver whether it is there; NVML may be asked.
        environment = {**environment, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.numbers = count()
        self.forks: dict[int, Fork] = {}
        Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def start(self, module: str, arguments: Sequence[str], output: Path, environment: Mapping[str, str]) -> Fork:
        """Run ``python -m module arguments`` in a fork that appends its output to ``output``."""
        fork = Fork(self, next(self.numbers))
        self.forks[fork.number] = fork
        what = {"module": module, "arguments": list(arguments), "output": str(output), "environment": dict(environment)}
        if not self._ask({"number": fork.number, **what}) and not fork.status.done():
            fork.status.set_result(LOST)
        return fork

    def signal(self, fork: Fork, number: int) -> None:
        """Send a signal; nothing happens where the process has ended."""
        if not fork.status.done():
            self._ask({"number": fork.number, "signal": int(number)})

    def close(self) -> None:
        """End the server and, with SIGTERM, the forks that still run."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()

    def _ask(self, request: dict[str, Any]) -> bool:
        """Whether there is still somebody to be asked."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write((json.dumps(request) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            self.forks.pop(answer["number"]).status.set_result(answer["status"])
        for fork in list(self.forks.values()):
            fork.status.set_result(LOST)
