"""Bodies of requests: read whole before the application sees them, within a limit of bytes and of time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

DRAINED = 32
"""So many times the limit is read and thrown away, so that a client that sends all before it reads learns why."""


class BodyLimit:
    """ASGI middleware: 413 for a body of more than ``most_bytes``, 408 for one that takes longer than ``most_s``."""

    def __init__(self, app: Application, most_bytes: int, most_s: float) -> None:
        self.app, self.most_bytes, self.most_s = app, most_bytes, most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            async with asyncio.timeout(self.most_s):
                body = await self._read(receive)
        except TimeoutError:
            return await _refuse(send, 408, f"the request took more than {self.most_s:g} s to come")
        except ConnectionError:
            return None
        if body is None:
            return await _refuse(send, 413, f"a request may have {self.most_bytes} bytes")
        return await self.app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The body; None for one that is too large, which is never held."""
        parts: list[bytes] = []
        size, more = 0, True
        while more and size <= DRAINED * self.most_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size > self.most_bytes:
                parts.clear()
            else:
                parts.append(part)
        return b"".join(parts) if size <= self.most_bytes else None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body as one message, then what comes after it."""
    ready: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return ready.pop() if ready else await receive()

    return next_message


async def _refuse(send: Send, status: int, words: str) -> None:
    content = json.dumps({"error": words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
