"""A record as YAML, to be read and copied: as PyYAML lays it out, in a tenth of its time, as a page has thousands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*|\d+\.\d+\.\d+[A-Za-z0-9.+-]*")
"""Names, simple words, versions."""
_RESERVED = re.compile(r"(?i:true|false|yes|no|on|off|null|y|n)")
"""What YAML 1.1 would take for something else than a text. Nothing else that begins with a letter is."""


def yaml_text(value: Any) -> str:
    """JSON values only: texts, finite numbers, true, false, null, lists, mappings with texts for keys."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, part in value.items():
            if isinstance(part, dict | list | tuple) and part:
                yield f"{indent}{_scalar(key)}:"
                yield from _lines(part, indent if isinstance(part, list | tuple) else f"{indent}  ")
            else:
                yield f"{indent}{_scalar(key)}: {_scalar(part)}"
    elif isinstance(value, list | tuple) and value:
        for part in value:
            first, *rest = _lines(part, f"{indent}  ")
            yield f"{indent}- {first[len(indent) + 2 :]}"
            yield from rest
    else:
        yield f"{indent}{_scalar(value)}"


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and not _RESERVED.fullmatch(value)
        return value if is_plain else f'"{"".join(map(_escaped, value))}"'
    if isinstance(value, float):
        text = repr(value)
        return text.replace("e", ".0e", 1) if "e" in text and "." not in text else text
    return json.dumps(value)
