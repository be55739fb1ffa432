"""What a run's code is, and who supplied parts of it; ``environment.json``: what every start of a run found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from .base import Document, Record


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
    """``hash`` is over all sources that can change a result, but for the suppliers', which have one each; ``revision``
    is that of git."""

    hash: str = ""
    revision: str
    suppliers: tuple[Supplier, ...] = ()


def supplied_by(suppliers: Iterable[Supplier]) -> dict[str, str]:
    """Module → hash."""
    return {supplier.module: supplier.hash for supplier in suppliers}


class Start(Record):
    """One start: when (UTC, ISO 8601), with which code and packages, on which machine and device; ``continued`` from a
    checkpoint, or from nothing. ``registered``: the hashes of the plans that its grid had registered by then."""

    started_at: str = ""
    registered: tuple[str, ...] = ()
    continued: bool = False
    code_revision: str = "unknown"
    code_hash: str = ""
    suppliers: tuple[Supplier, ...] = ()
    python: str
    platform: str
    packages: dict[str, str | None]
    git: dict[str, Any] | None
    machine: dict[str, Any]
    threads: dict[str, int]
    device: dict[str, Any]

    @property
    def code(self) -> str:
        """As of a result."""
        return self.code_hash or self.code_revision

    @property
    def is_like(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What two starts of one run should have in common: this library's code, and the suppliers'."""
        return self.code, tuple(sorted(supplied_by(self.suppliers).items()))


class Environment(Document):
    """All starts, the first one first. A run that was stopped and continued has several."""

    SCHEMA: ClassVar[int] = 3
    SEALED: ClassVar[int] = 3

    starts: tuple[Start, ...]

    @classmethod
    def upgraded(cls, raw: dict[str, Any], schema: int) -> dict[str, Any]:
        """Schema 1 had the last start alone."""
        return {"schema": schema, "starts": [raw]} if schema == 1 else raw

    @property
    def last(self) -> Start:
        return self.starts[-1]
