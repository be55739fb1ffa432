"""Data as classic scripts: what a page that is opened as a file can read, without a server."""

from __future__ import annotations

import json
import math
from typing import Any

# "<" could end a script element or open a comment in it, "&" an entity. In JSON they stand in strings alone.
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def part(key: str, value: object) -> str:
    """A script that puts ``value`` under ``key`` into the page's map ``PARTS``.

    The value is parsed from a JSON text and not written as an object literal, in which the key ``__proto__`` would
    not be a key. Everything beyond ASCII is escaped. Numbers that are not finite become null.
    """
    return f"(window.PARTS ??= new Map()).set({_literal(key)}, JSON.parse({_literal(_json(value))}));\n"


def _literal(text: str) -> str:
    return _escaped(json.dumps(text))


def _json(value: object) -> str:
    return json.dumps(finite(value), allow_nan=False, separators=(",", ":"))


def _escaped(text: str) -> str:
    return "".join(ESCAPES.get(character, character) for character in text) if ESCAPES.keys() & set(text) else text


def finite(value: Any) -> Any:
    """The value with NaN and infinities as None, in lists, tuples and dictionaries too."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
