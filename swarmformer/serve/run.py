"""A server for one model, until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from swarmformer.errors import SpecError
from swarmformer.pipeline import TextClassifier
from swarmformer.serve.app import RequestLimits, create_app
from swarmformer.serve.batcher import Batching

FINISH_S, IDLE_S = 30, 5
"""That requests may take to finish once it is told to stop, and that a connection may be idle."""


def serve(
    classifier: TextClassifier, name: str, listener: socket.socket, *, limits: RequestLimits, batching: Batching
) -> None:
    """Serve until SIGTERM or Ctrl-C; what has begun is finished."""
    app = create_app(classifier, name, limits=limits, batching=batching)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_keep_alive=IDLE_S, timeout_graceful_shutdown=FINISH_S
    )
    host, port = listener.getsockname()[:2]
    server = _Server(config, f"serving {name} on http://{f'[{host}]' if ':' in host else host}:{port}")

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn raises the signal that ended it once more, for whoever had it before: that SIGTERM is no failure.
    before = signal.signal(signal.SIGTERM, stop)
    try:
        server.run([listener])
    finally:
        signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """Says where it is once it is there."""

    def __init__(self, config: uvicorn.Config, words: str) -> None:
        super().__init__(config)
        self.words = words

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.words, flush=True)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at an address, taken before anything is loaded.

    Raises:
        SpecError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            words = getattr(error, "strerror", None) or error
            raise SpecError(f"cannot listen on {host}:{port}: {words}; choose others with --host and --port") from None
        yield listener
