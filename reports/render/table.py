"""A table as data: what every format, ``sources.json`` and ``reports.trace`` are made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

MISSING = "—"
LONG = 44
"""Characters from which a text is prose and stands left, whatever it begins with."""
Value = str | int | float | bool | None
_NUMBER = re.compile(r"[+−-]?\s*[<>≤≥]?\s*\d")


@dataclass(frozen=True)
class Column:
    """``is_code``: names and keys, in a typewriter face. ``in_csv_only``: what no reader of the table needs."""

    head: str
    is_code: bool = False
    in_csv_only: bool = False


@dataclass(frozen=True)
class Entry:
    """One cell of a table, no longer than a line.

    text: as printed; ``MISSING`` where something was asked for and is not there, empty where it has no meaning.
    raw: CSV column → value with all its digits, fractions of one, seconds, FLOPs.
    sources: what it is made of: ``grid/cell`` of a run, ``grid/floors.json``, a measurement's file, ``document#key``.
    """

    text: str
    raw: Mapping[str, Value] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    def value(self, key: str | None) -> Value:
        """What the CSV has under a key, or of its text."""
        if key is not None:
            return self.raw.get(key)
        return None if self.text == MISSING else self.text


@dataclass(frozen=True)
class Row:
    """``detail``: what is too long for a cell, one paragraph each, shown under ``label`` (or the first entry's text)
    below the table. ``ruled``: a line above parts it from the rows before."""

    entries: tuple[Entry, ...]
    detail: tuple[str, ...] = ()
    label: str = ""
    ruled: bool = False

    @property
    def title(self) -> str:
        return self.label or self.entries[0].text


@dataclass(frozen=True)
class Table:
    """name: what follows the definition's name in that of the file, such as ``streams`` in ``table3_streams``.

    warnings: what must be read before the table; notes: what its columns mean and all rows share.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        uneven = [number for number, row in enumerate(self.rows, 1) if len(row.entries) != len(self.columns)]
        if uneven:
            raise ValueError(f"{self.name}: rows {uneven} do not have {len(self.columns)} entries")

    @cached_property
    def printed(self) -> tuple[int, ...]:
        """Indices of the columns that are printed; the others are in the CSV only."""
        return tuple(index for index, column in enumerate(self.columns) if not column.in_csv_only)

    @cached_property
    def right(self) -> tuple[bool, ...]:
        """Whether each column holds numbers for the most part, which stand right; the first one never does."""
        return tuple(index > 0 and self._is_number(index) for index in range(len(self.columns)))

    def _is_number(self, index: int) -> bool:
        texts = [row.entries[index].text for row in self.rows]
        texts = [text for text in texts if text not in ("", MISSING)]
        if self.columns[index].is_code or any(len(text) > LONG for text in texts):
            return False
        return 2 * sum(bool(_NUMBER.match(text)) for text in texts) > len(texts)

    @cached_property
    def csv_columns(self) -> dict[str, tuple[int, str | None]]:
        """Names of the columns of the CSV → index of a column and key of its raw values, None where it has only texts.

        A key that several columns have bears the head of its column before it; a name that is left twice is numbered.
        """
        keys = [list(dict.fromkeys(key for row in self.rows for key in row.entries[index].raw))
                for index in range(len(self.columns))]  # fmt: skip
        shared = Counter(key for of_column in keys for key in of_column)
        named, names = dict[str, tuple[int, str | None]](), Counter[str]()
        for index, column in enumerate(self.columns):
            title = re.sub(r"[^a-z0-9]+", "_", column.head.lower()).strip("_") or f"column_{index + 1}"
            for key in (*keys[index],) or (None,):
                name = title if key is None else key if shared[key] == 1 else f"{title}_{key}"
                names[name] += 1
                named[name if names[name] == 1 else f"{name}_{names[name]}"] = index, key
        return named
