"""Requests to an application as a server passes them on, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

JSON = (b"content-type", b"application/json")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The application from its start to its end."""
    async with app.router.lifespan_context(app):
        yield app


async def ask(
    app: FastAPI, path: str, content: Any = None, *, parts: Sequence[bytes] = (), pause_s: float = 0,
    headers: Sequence[tuple[bytes, bytes]] = (JSON,),
) -> Reply:  # fmt: skip
    """GET ``path``, or POST JSON to it; or ``parts`` of a body, each after a pause."""
    sent: list[dict[str, Any]] = []
    coming = [json.dumps(content).encode()] if content is not None else list(parts)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST" if coming else "GET",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": list(headers),
        "client": ("test", 1), "server": ("test", 80), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        body = coming.pop(0) if coming else b""
        return {"type": "http.request", "body": body, "more_body": bool(coming)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *bodies = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], headers, b"".join(message.get("body", b"") for message in bodies))
