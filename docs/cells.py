"""Markdown tables and what stands in their cells."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns in which every cell starts with a digit or a sign are aligned as numbers."""
    numbers = [all(re.match(r"[+−]?\d", row[i]) for row in rows) for i in range(len(head))]
    rule = ["---:" if number else "---" for number in numbers]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def code(value: object) -> str:
    return f"`{value}`"


def plain(text: str) -> str:
    """Text that stands in a cell as it is."""
    return re.sub(r"([|*<])", r"\\\1", text)


def mega(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def change(value: int, base: int) -> str:
    """In percent of the base."""
    if value == base:
        return "0"
    return f"{100 * (value - base) / base:+.1f} %".replace("-", "−")


def shown(value: object) -> str:
    """As YAML has it: ``true``, not ``True``; a bare word without quotes."""
    return str(yaml.safe_dump(value, default_flow_style=True)).removesuffix("\n").removesuffix("\n...")
