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
    return former_by_key().get(key, [])


@cache
def former_by_key() -> Mapping[str, list[str]]:
    """Today's key → the old keys of that configuration."""
    former: dict[str, list[str]] = {}
    for old, today in aliases().items():
        former.setdefault(today, []).append(old)
    return former
