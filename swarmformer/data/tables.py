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

    CSV has a line with the names of its columns, commas, and quotes as RFC 4180 has them, in UTF-8; columns without
    a name are passed over. The line of a record that has several is its last.

    Raises:
        DataError: another ending, an unreadable file, a column that is missing or there twice, a text that is none.
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
        reader = csv.reader(file, strict=True)
        try:
            names = next(reader, [])
            _check_columns(path, columns, names)
            places, width = [names.index(column) for column in columns], None
            for fields in filter(None, reader):
                place = f"{path}, line {reader.line_num}"
                width = _width(fields, names, width, place)
                yield place, [fields[index] for index in places]
        except csv.Error as error:
            raise DataError(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _width(fields: Sequence[str], names: Sequence[str], width: int | None, place: str) -> int:
    """How many fields a row has: as many as there are names, but for unnamed columns (pandas' index, a comma at the
    end of each line), which may be empty in all rows or missing in all. ``width``: of the rows before, if any."""
    without_name = not any(names[len(fields) :]) and not any(fields[len(names) :])
    if without_name and len(fields) == (width or len(fields)):
        return len(fields)
    how = "more" if len(fields) > (width or len(names)) else "fewer"
    raise DataError(f"{place}: {how} fields than the {width or len(names)} columns")


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
                record = json.loads(line, object_pairs_hook=_Pairs)
            except ValueError as error:
                raise DataError(f"{place}: not JSON: {error}") from error
            if not isinstance(record, _Pairs):
                raise DataError(f"{place}: expected an object with the columns, got {type(record).__name__}")
            _check_columns(Path(place), columns, [name for name, _ in record])
            values = dict(record)
            yield place, [_valid(values[column], column, place) for column in columns]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with every key that was written, also one that was written twice."""


def _valid(value: Any, column: str, place: str) -> Any:
    """JSON can write half of a surrogate pair, which is no text: no tokenizer takes it and no file can hold it."""
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError as error:
        half = ascii(value[error.start])[1:-1]
        raise DataError(
            f"{place}: {column} has {half} at character {error.start}, half of a surrogate pair: a text was cut inside "
            "a character; mend it, or leave the character out"
        ) from error
    return value


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    from swarmformer.data.sources import read_columns

    table = read_columns(path, list(dict.fromkeys(columns)))
    values = [table.column(column).to_pylist() for column in columns]
    for number, row in enumerate(zip(*values, strict=True)):
        yield f"{path}, row {number}", list(row)


def _check_columns(path: Path, columns: Sequence[str], known: Sequence[str]) -> None:
    missing = [column for column in columns if column not in known]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; its columns are: {', '.join(known) or 'none'}")
    twice = [column for column in columns if known.count(column) > 1]
    if twice:
        raise DataError(f"{path} has several columns named {', '.join(twice)}: rename all but the one that is meant")


READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[Row]]] = {
    ".csv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
}
