"""Rows of CSV, JSONL and parquet files, with the line of each for errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from swarmformer.data.charset import KEY, decoded
from swarmformer.data.delimited import Columns, Form, Row, csv_rows, form_of
from swarmformer.errors import DataError


def read_rows(path: Path, columns: Columns | Sequence[str], form: Form | None = None) -> Iterator[Row]:
    """The rows of a table, in its order. The ending of the name says what it is: .csv, .tsv, .jsonl or .parquet.

    CSV has a line with the names of its columns; columns without a name are passed over. So are rows all of whose
    fields are empty, which a warning counts, unless there is but one column. What ``form`` does not say of a text file
    is found: see ``form_of``.

    Raises:
        DataError: another ending, an unreadable file, a column that is missing or there twice, a text that is none.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: not known by its ending; files end in {', '.join(READERS)}")
    columns = columns if isinstance(columns, Columns) else Columns(tuple(columns))
    try:
        for place, values in reader(path, columns, form or Form()):
            yield place, [_valid(value, name, place) for value, name in zip(values, columns.names, strict=True)]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _jsonl_rows(path: Path, columns: Columns, form: Form) -> Iterator[Row]:
    with decoded(path, form_of(path, columns, form).encoding) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            place = f"{path}, line {number}"
            try:
                record = json.loads(line, object_pairs_hook=_Pairs)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{place}: not JSON: {error}; each line is one object, {{…}}") from error
            if not isinstance(record, _Pairs):
                raise DataError(f"{place}: expected an object with the columns, got {type(record).__name__}; each line "
                                "is one object, {…}")  # fmt: skip
            columns.check(place, [name for name, _ in record])
            values = dict(record)
            yield place, [values[name] for name in columns.names]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with every key that was written, also one that was written twice."""


def _valid(value: Any, column: str, place: str) -> Any:
    """JSON can write half of a surrogate pair, which is no text: no tokenizer takes it and no file can hold it. NUL is
    what binary files and a wrong encoding bring."""
    if not isinstance(value, str):
        return value
    if (at := value.find("\0")) >= 0:
        raise DataError(f"{place}: {column!r} has a NUL at character {at}: take it out; where there are many, the file "
                        f"is binary or of another encoding, see {KEY}")  # fmt: skip
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = ascii(value[error.start])[1:-1]
        raise DataError(
            f"{place}: {column!r} has {half} at character {error.start}, half of a surrogate pair: a text was cut "
            "inside a character; mend it, or leave the character out"
        ) from error
    return value


def _parquet_rows(path: Path, columns: Columns, form: Form) -> Iterator[Row]:
    from swarmformer.data.sources import parquet_batches

    known, batches = parquet_batches(path, list(dict.fromkeys(columns.names)))
    columns.check(str(path), known)
    number = 0
    for batch in batches:
        values = [batch.column(name).to_pylist() for name in columns.names]
        for row in zip(*values, strict=True):
            yield f"{path}, row {number}", list(row)
            number += 1


READERS: dict[str, Callable[[Path, Columns, Form], Iterator[Row]]] = {
    ".csv": csv_rows,
    ".tsv": csv_rows,
    ".tab": csv_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
}
