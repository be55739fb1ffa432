"""Processes of a grid end with the grid, even when it is killed with -9."""

from __future__ import annotations

import os
import signal
import threading

STDIN = 0
VARIABLE = "SWARMFORMER_SUPERVISED"
"""Set by the pool: standard input is a pipe that closes when the pool's process ends."""


def stop_with_parent() -> None:
    """Send this process SIGTERM when its parent is gone; does nothing in a process started by hand."""
    if os.environ.get(VARIABLE) == "1":
        threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    # Not sys.stdin: a thread that holds its buffer's lock makes the interpreter abort at its end.
    while os.read(STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
