"""A table as data: what every renderer (Markdown, LaTeX, CSV, HTML) and ``reports.trace`` are given.

A sheet has columns and rows of entries. An entry knows its text, the raw numbers behind it, and the files that it was
made from, so that each number can be followed to its runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MISSING = "—"
Raw = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Column:
    """A column's head, one text per line of it."""

    head: tuple[str, ...]
    is_code: bool = False
    """Names and keys, set in a typewriter face."""
    in_csv_only: bool = False
    """Raw values that no reader of the printed table needs."""


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    text: as printed; ``MISSING`` where something was asked for and is not there, empty where it has no meaning.
    raw: CSV column → value with all its digits, fractions of one, seconds, FLOPs.
    sources: where it comes from: ``grid/cell`` of a run, ``grid/floors.json``, a measurement's file, ``document#key``.
    """

    text: str
    raw: Raw = field(default_factory=dict)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """One table.

    name: file name without its ending, such as ``table3_streams``.
    rules: numbers of the rows (from 0) that a line is drawn above.
    warnings: what must be read before the table; notes: what its columns mean and all rows share.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    rules: frozenset[int] = frozenset()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        uneven = [number for number, row in enumerate(self.rows) if len(row) != len(self.columns)]
        if uneven:
            raise ValueError(f"{self.name}: rows {uneven} do not have {len(self.columns)} entries")
