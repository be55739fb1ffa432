"""What the tests of the makers share: a sheet from run folders, and its entries by row and column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reports.makers import MAKERS
from reports.sheet import Entry, Sheet

from reports.definition import Definition
from reports.evidence import gather


def sheets(kind: str, *grids: Path, mix: Sequence[str] = (), **options: Any) -> list[Sheet]:
    definition = Definition(name="t", title="Title", table=kind, options=options)
    return MAKERS[kind](gather(grids, mix), definition)


def rows_of(sheet: Sheet, key: str) -> dict[str, dict[str, Any]]:
    """Text under ``key`` → all raw values of the row."""
    rows = [{name: value for entry in row for name, value in entry.raw.items()} for row in sheet.rows]
    return {row[key]: row for row in rows if key in row}


def entry(sheet: Sheet, key: str, name: str, wanted: str) -> Entry:
    """The entry with the CSV column ``wanted`` in the row whose ``key`` is ``name``."""
    row = next(row for row in sheet.rows if any(each.raw.get(key) == name for each in row))
    return next(each for each in row if wanted in each.raw)


def changed(before: Sheet, after: Sheet) -> list[tuple[Entry, bool]]:
    """Every entry as it was, and whether it is another now."""
    pairs = [(a, b) for old, new in zip(before.rows, after.rows, strict=True) for a, b in zip(old, new, strict=True)]
    return [(a, (a.text, dict(a.raw)) != (b.text, dict(b.raw))) for a, b in pairs]
