"""Parts of the data in a handful of files, of which a page reads the one that holds what is asked for."""

from __future__ import annotations

import json
import math
from typing import Any

# "<" could end a script element or open a comment in it, "&" an entity. In JSON they stand in strings alone.
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
MOST_CHARACTERS = 8_000_000
"""Of one file; a larger part has one of its own. A browser reads that much in a tenth of a second."""


class Packs:
    """Parts under keys ``pack/place``: the place of the part in its file, ``data/PACK.js``."""

    def __init__(self, most: int = MOST_CHARACTERS) -> None:
        self.most = most
        self._full: list[str] = []
        self._open: list[str] = []
        self._size = 0

    def add(self, value: object) -> str:
        """Put a part into the file that is being filled, or into a new one; its key."""
        text = json_text(value)
        if self._open and self._size + len(text) > self.most:
            self._close()
        self._open.append(text)
        self._size += len(text)
        return f"{len(self._full)}/{len(self._open) - 1}"

    def files(self) -> dict[str, bytes]:
        """Path → script."""
        if self._open:
            self._close()
        return {f"data/{number}.js": script(str(number), text) for number, text in enumerate(self._full)}

    def _close(self) -> None:
        self._full.append(f"[{','.join(self._open)}]")
        self._open, self._size = [], 0


def script(key: str, text: str) -> bytes:
    """Puts a JSON text under ``key`` into the page's map ``PARTS``: a script is what a page opened as a file can read.

    The value is parsed from a JSON text and not written as an object literal, in which the key ``__proto__`` would
    not be a key. Everything beyond ASCII is escaped.
    """
    whole = f"(window.PARTS ??= new Map()).set({json.dumps(key)}, JSON.parse({json.dumps(text)}));\n"
    for character, escape in ESCAPES.items():
        whole = whole.replace(character, escape)
    return whole.encode()


def json_text(value: object) -> str:
    """Numbers that are not finite become null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
