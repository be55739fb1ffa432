"""Rows of CSV, JSONL and parquet files, with the line of each for errors."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swarmformer.errors import DataError

Row = tuple[str, list[Any]]
"""Where it stands ("reviews.csv, line 7") and the values of the columns asked for."""


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a table, in its order. The ending of the name says what it is: .csv, .jsonl or .parquet.

    CSV has a line with the names of its columns, commas, and quotes as RFC 4180 has them, in UTF-8. The
    line of a record that has several is its last.

    Raises:
        DataError: another ending, an unreadable file, a missing column.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: not known by its ending; files end in {', '.join(READERS)}")
    try:
        yield from reader(path, columns)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}; save it as UTF-8") from error


def _csv_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file, _fields_of_any_length():
        reader = csv.DictReader(file, restkey="", strict=True)
        try:
            _check_columns(path, columns, reader.fieldnames or [])
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if "" in row or None in row.values():
                    found = "more" if "" in row else "fewer"
                    raise DataError(f"{place}: {found} fields than the {len(reader.fieldnames or [])} columns")
                yield place, [row[column] for column in columns]
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.reader.line_num}: not CSV: {error}") from error


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """The standard library refuses fields of more than 128 kB, and knows only one limit for all."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _jsonl_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            place = f"{path}, line {number}"
            try:
                record = json.loads(line)
            except ValueError as error:
                raise DataError(f"{place}: not JSON: {error}") from error
            if not isinstance(record, dict):
                raise DataError(f"{place}: expected an object with the columns, got {type(record).__name__}")
            _check_columns(Path(place), columns, list(record))
            yield place, [record[column] for column in columns]


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    from swarmformer.data.sources import read_columns

    table = read_columns(path, list(dict.fromkeys(columns)))
    values = [table.column(column).to_pylist() for column in columns]
    for number, row in enumerate(zip(*values, strict=True)):
        yield f"{path}, row {number}", list(row)


def _check_columns(path: Path, columns: Sequence[str], found: Sequence[str]) -> None:
    missing = [column for column in columns if column not in found]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; its columns are: {', '.join(found) or 'none'}")


READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
}
