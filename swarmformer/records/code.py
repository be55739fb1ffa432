"""What a run's code is, and who supplied parts of it."""

from __future__ import annotations

from .base import Record


class Supplier(Record):
    """A package or file outside this library that a component, task or training ingredient of a run comes from.

    parts: ``slot.name`` of what it supplied. distribution, version: empty for what is not installed.
    hash: over its Python sources.
    """

    module: str
    parts: tuple[str, ...]
    distribution: str = ""
    version: str = ""
    hash: str


class Code(Record):
    """``hash`` is over all sources that can change a result, suppliers included; ``revision`` is that of git."""

    hash: str = ""
    revision: str
    suppliers: tuple[Supplier, ...] = ()
