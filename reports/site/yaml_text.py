"""A record as YAML, to be read and copied: as PyYAML lays it out, in a tenth of its time, as a page has thousands."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*|\d+\.\d+\.\d+[A-Za-z0-9.+-]*")
"""Names, simple words, versions."""
_RESERVED = re.compile(r"(?i:true|false|yes|no|on|off|null|y|n)")
"""What YAML 1.1 would take for something else than a text. Nothing else that begins with a letter is."""


def yaml_text(value: Any) -> str:
    """JSON values only: texts, finite numbers, true, false, null, lists, mappings with texts for keys."""
    lines = list[str]()
    _write(value, "", "", lines)
    return "\n".join(lines) + "\n"


def _write(value: Any, start: str, indent: str, lines: list[str]) -> None:
    """Append the lines of a value; ``start`` begins the first of them, ``indent`` the others."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            head = f"{start}{_text(key)}:"
            if isinstance(part, dict | list) and part:
                lines.append(head)
                deeper = indent if isinstance(part, list) else f"{indent}  "
                _write(part, deeper, deeper, lines)
            else:
                lines.append(f"{head} {_scalar(part)}")
            start = indent
    elif isinstance(value, list) and value:
        for part in value:
            _write(part, f"{start}- ", f"{indent}  ", lines)
            start = indent
    else:
        lines.append(f"{start}{_scalar(value)}")


@lru_cache(10_000)
def _text(text: str) -> str:
    """Plain where that is the same text again; thousands of records have the same keys and names."""
    is_plain = _PLAIN.fullmatch(text) and not _RESERVED.fullmatch(text)
    return text if is_plain else f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        text = repr(value)
        return text.replace("e", ".0e", 1) if "e" in text and "." not in text else text
    return str(value) if type(value) is int else json.dumps(value)
