"""A stand-in for the hub: what its client asks when a model is pushed and fetched; without network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def stand_in(folder: Path) -> Iterator[str]:
    """Its address meanwhile; repositories are folders ``owner/name`` below ``folder``."""

    class Handler(_Handler):
        root = folder

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    root: Path

    def log_message(self, *words: Any) -> None:
        """Not a word."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            self._json({"url": f"http://{self.headers['Host']}/{asked['organization']}/{asked['name']}"})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            named = [{"path": file["path"]} for file in json.loads(body)["files"]]
            self._json({"files": [{**file, "uploadMode": "regular", "shouldIgnore": False} for file in named]})
        elif "/commit/" in path:
            repository = self.root / path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    target = repository / line["value"]["path"]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(base64.b64decode(line["value"]["content"]))
            address = f"http://{self.headers['Host']}/{repository.relative_to(self.root)}/commit/{COMMIT}"
            self._json({"commitUrl": address, "commitOid": COMMIT, "success": True})
        else:
            self.send_error(404)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/") and "/tree/" in path:
            folder = self.root / path.removeprefix("/api/models/").partition("/tree/")[0]
            files = [{"type": "file", "path": file.name, "size": file.stat().st_size} for file in folder.iterdir()]
            self._json([{**file, "oid": COMMIT} for file in files])
        elif path.startswith("/api/models/"):
            self._about(path.removeprefix("/api/models/").partition("/revision/")[0])
        elif "/resolve/" in path:
            repository, _, rest = path[1:].partition("/resolve/")
            self._file(self.root / repository / rest.partition("/")[2])
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def _about(self, repository: str) -> None:
        if not (self.root / repository).is_dir():
            self.send_error(404)
            return
        names = sorted(path.name for path in (self.root / repository).iterdir())
        files = [{"rfilename": name} for name in names]
        self._json({"id": repository, "sha": COMMIT, "siblings": files, "private": False, "tags": [], "downloads": 0})

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        self._send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"})

    def _json(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
