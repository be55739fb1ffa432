"""How a sheet is laid out, the same in every format: which columns are printed, on which side, and their CSV names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from .sheet import MISSING, Column, Entry, Sheet

LONG = 44
"""Characters from which a text is prose and stands left, whatever it begins with."""
_NUMBER = re.compile(r"[+−-]?\s*[<>≤≥]?\s*\d")


def printed(sheet: Sheet) -> list[int]:
    """Indices of the columns that are printed; the others are in the CSV only."""
    return [index for index, column in enumerate(sheet.columns) if not column.in_csv_only]


def is_right(sheet: Sheet, index: int) -> bool:
    """Whether a column holds numbers, which stand right; the first one never does."""
    texts = [row[index].text for row in sheet.rows if row[index].text not in ("", MISSING)]
    if index == 0 or sheet.columns[index].is_code or any(len(text) > LONG for text in texts):
        return False
    return any(_NUMBER.match(text) for text in texts)


def head(column: Column) -> str:
    """A column's head on one line."""
    return " ".join(" ".join(column.head).split())


@dataclass(frozen=True)
class CsvColumn:
    """A column of the CSV: values of ``key`` in the raw numbers of a sheet's column, or its texts where it has none."""

    name: str
    column: int
    key: str | None

    def value(self, row: tuple[Entry, ...]) -> str | int | float | bool | None:
        entry = row[self.column]
        if self.key is not None:
            return entry.raw.get(self.key)
        return None if entry.text == MISSING else entry.text


def csv_columns(sheet: Sheet) -> list[CsvColumn]:
    """The columns of the sheet's CSV, in the order of the sheet's.

    A key that several columns have bears the head of its column before it; a name that is left twice is numbered.
    """
    keys = [_keys(sheet, index) for index in range(len(sheet.columns))]
    counts = Counter(key for of_column in keys for key in of_column)
    found, names = list[CsvColumn](), Counter[str]()
    for index, column in enumerate(sheet.columns):
        title = re.sub(r"[^a-z0-9]+", "_", head(column).lower()).strip("_") or f"column_{index + 1}"
        listed: list[str | None] = [*keys[index]] or [None]
        for key in listed:
            name = title if key is None else key if counts[key] == 1 else f"{title}_{key}"
            names[name] += 1
            found.append(CsvColumn(name if names[name] == 1 else f"{name}_{names[name]}", index, key))
    return found


def _keys(sheet: Sheet, index: int) -> list[str]:
    return list(dict.fromkeys(key for row in sheet.rows for key in row[index].raw))
