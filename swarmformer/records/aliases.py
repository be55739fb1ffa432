"""Run keys that older versions wrote, and what the same configurations have today: ``aliases.yaml``.

It is read here and nowhere else. ``python -m tests.golden`` makes it anew from the committed runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from swarmformer.yaml import safe_load

ALIASES = Path(__file__).with_name("aliases.yaml")


@cache
def aliases() -> Mapping[str, str]:
    """Old key → today's key."""
    return dict(safe_load(ALIASES.read_text(encoding="utf-8")) or {})


def todays_key(key: str) -> str:
    """The run key that the configuration behind ``key`` has in this version."""
    return aliases().get(key, key)


def former_keys(key: str) -> list[str]:
    """The keys that older versions gave to the configuration behind ``key``."""
    return [old for old, today in aliases().items() if today == key]
