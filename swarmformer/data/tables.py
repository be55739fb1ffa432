"""Rows of CSV, JSONL and parquet files, with the line of each for errors."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any

from swarmformer.data.charset import KEY, UTF_8, encoding_of, first_fault
from swarmformer.errors import DataError, suggest

Row = tuple[str, list[Any]]
"""Where it begins ("reviews.csv, line 7") and the values of the columns asked for."""
DELIMITERS = (",", ";", "\t", "|")
TABS = (".tsv", ".tab")
SEPARATOR = re.compile(r'"?sep=(.)"?')
"""A first line by which spreadsheets say what stands between the fields."""
QUOTES = (
    'a quote that opens a field must close it, and one inside it be doubled (""); '
    "where quotes are characters like others, set data.task.quote: ''"
)


@dataclass(frozen=True)
class Form:
    """How a text file is written.

    encoding: a codec's name; delimiter: what stands between the fields of CSV; either may be "", to be found. quote:
    what may stand around a field; "" where quotes are characters like others.
    """

    encoding: str = ""
    delimiter: str = ""
    quote: str = '"'

    def departures(self) -> dict[str, str]:
        """What is not as RFC 4180 has it, in UTF-8."""
        usual = Form(UTF_8, ",")
        return {name: value for name, value in vars(self).items() if value and value != vars(usual)[name]}


@dataclass(frozen=True)
class Columns:
    """Names of columns asked for, and the key of the option that named each, for errors."""

    names: tuple[str, ...]
    keys: tuple[str, ...] = ()

    def check(self, place: str, known: Sequence[str]) -> None:
        """Raise DataError unless each is there, once."""
        for number, name in enumerate(self.names):
            key = f"; name another: {self.keys[number]}=…" if self.keys else ""
            if name not in known:
                there = ", ".join(map(repr, known)) or "none"
                raise DataError(f"{place} has no column {name!r}; its columns are: {there}{suggest(name, known)}{key}")
            if known.count(name) > 1:
                raise DataError(f"{place} has several columns named {name!r}: rename all but the one that is meant")


def read_rows(path: Path, columns: Columns | Sequence[str], form: Form | None = None) -> Iterator[Row]:
    """The rows of a table, in its order. The ending of the name says what it is: .csv, .tsv, .jsonl or .parquet.

    CSV has a line with the names of its columns; columns without a name are passed over, and so are rows all of whose
    fields are empty. What ``form`` does not say of a text file is found: see ``form_of``.

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


def form_of(path: Path, columns: Columns, form: Form | None = None) -> Form:
    """How a file is written: what ``form`` leaves open is found.

    The encoding as ``encoding_of`` has it; the delimiter is the one with which the first line names the columns asked
    for (a tab in .tsv). Of a parquet file there is nothing to be said.

    Raises:
        DataError: as ``read_rows``.
    """
    form, ending = form or Form(), path.suffix.lower()
    if ending == ".parquet" or ending not in READERS:
        return Form(UTF_8, ",")
    try:
        form = replace(form, encoding=encoding_of(path, form.encoding))
        if ending == ".jsonl":
            return replace(form, delimiter=",", quote='"')
        return replace(form, delimiter=form.delimiter or _find_delimiter(path, columns, form))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _find_delimiter(path: Path, columns: Columns, form: Form) -> str:
    if path.suffix.lower() in TABS:
        return "\t"
    with _decoded(path, form.encoding) as file:
        said = SEPARATOR.fullmatch(next(file, "").rstrip("\r\n"))
    if said:
        return said[1]
    heads = {delimiter: _head(path, replace(form, delimiter=delimiter)) for delimiter in DELIMITERS}
    naming = [delimiter for delimiter, head in heads.items() if set(columns.names) <= set(head)]
    return max(naming or DELIMITERS, key=lambda delimiter: len(heads[delimiter]))


def _head(path: Path, form: Form) -> list[str]:
    try:
        return next((fields for _, fields in _records(path, form)), [])
    except DataError:  # a quote that this delimiter does not close
        return []


def _csv_rows(path: Path, columns: Columns, form: Form) -> Iterator[Row]:
    form = form_of(path, columns, form)
    records = _records(path, form)
    names = [name.strip() for name in next(records, ("", []))[1]]
    columns.check(str(path), names)
    places, width = [names.index(name) for name in columns.names], None
    for line, fields in records:
        if not any(fields):
            continue
        place = f"{path}, line {line}"
        width = _width(fields, names, width, place)
        yield place, [fields[index] for index in places]


def _records(path: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    """The fields of every record with the line that it begins in, blank lines left out."""
    with _decoded(path, form.encoding) as file, _fields_of_any_length():
        first = next(file, "")
        skipped = bool(SEPARATOR.fullmatch(first.rstrip("\r\n")))
        lines = file if skipped else chain([first], file)
        quoting = csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE
        reader = csv.reader(
            lines, delimiter=form.delimiter, quotechar=form.quote or None, quoting=quoting, strict=True
        )
        line = 1 + skipped
        try:
            for fields in reader:
                if fields:
                    yield line, fields
                line = reader.line_num + 1 + skipped
        except csv.Error as error:
            raise DataError(f"{path}, line {line}: not CSV: {error}; {QUOTES}") from error


def _width(fields: Sequence[str], names: Sequence[str], width: int | None, place: str) -> int:
    """How many fields a row has: as many as there are names, but for unnamed columns (pandas' index, a comma at the
    end of each line), which may be empty in all rows or missing in all. ``width``: of the rows before, if any."""
    without_name = not any(names[len(fields) :]) and not any(fields[len(names) :])
    if without_name and len(fields) == (width or len(fields)):
        return len(fields)
    how = "more" if len(fields) > (width or len(names)) else "fewer"
    raise DataError(f"{place}: {how} fields ({len(fields)}) than the {width or len(names)} columns; a field that has "
                    "the delimiter or a line end in it must stand in quotes")  # fmt: skip


@contextmanager
def _decoded(path: Path, encoding: str) -> Iterator[IO[str]]:
    """A file opened as text with its line ends as they are.

    Raises:
        DataError: a byte that the encoding does not know, with its line.
    """
    with path.open(encoding="utf-8-sig" if encoding == UTF_8 else encoding, newline="") as file:
        try:
            yield file
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, line {first_fault(path, encoding)}: not {encoding}: {error.reason}; set {KEY} or "
                            "save the file as UTF-8") from error  # fmt: skip


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """The standard library refuses fields of more than 128 kB, and knows only one limit for all."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _jsonl_rows(path: Path, columns: Columns, form: Form) -> Iterator[Row]:
    with _decoded(path, form_of(path, columns, form).encoding) as file:
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
    ".csv": _csv_rows,
    ".tsv": _csv_rows,
    ".tab": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
}
