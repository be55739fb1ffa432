"""Rows of CSV: what stands between fields and around them is found, or said."""

from __future__ import annotations

import csv
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from swarmformer.data.charset import UTF_8, decoded, encoding_of
from swarmformer.errors import DataError, SpecError, suggest

logger = logging.getLogger("swarmformer.data")

Row = tuple[str, list[Any]]
"""Where it begins ("reviews.csv, line 7") and the values of the columns asked for."""
DELIMITERS = (",", ";", "\t", "|")
TABS = (".tsv", ".tab")
TAB_WORDS = {"tab": "\t", "\\t": "\t"}
"""A tab is hard to write on a command line."""
SEPARATOR = re.compile(r'"?sep=(.)"?')
"""A first line by which spreadsheets say what stands between the fields."""
QUOTES = (
    'a quote that opens a field must close it, and one inside it be doubled (""); '
    "where quotes are characters like others, set data.task.quote (--quote) to ''"
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


def form_said(encoding: str, delimiter: str, quote: str) -> Form:
    """A form as options give it, in which a tab may be called so.

    Raises:
        SpecError: what cannot stand there; its ``path`` is the option.
    """
    form = Form(encoding, TAB_WORDS.get(delimiter, delimiter), quote)
    for key, mark in (("delimiter", form.delimiter), ("quote", form.quote)):
        if len(mark) > 1 or mark in ("\r", "\n", " "):
            raise SpecError(f"{key} is {mark!r}, expected one character, or ''", path=(key,))
    if form.delimiter and form.delimiter == form.quote:
        raise SpecError(f"delimiter is {form.delimiter!r}, and so is quote", path=("delimiter",))
    return form


@dataclass(frozen=True)
class Columns:
    """Names of columns asked for, and the key of the option that named each, for errors."""

    names: tuple[str, ...]
    keys: tuple[str, ...] = ()

    def bare(self) -> Columns:
        """The same without spaces around names, which mean nothing in CSV."""
        return Columns(tuple(name.strip() for name in self.names), self.keys)

    def check(self, place: str, known: Sequence[str]) -> None:
        """Raise DataError unless each is there, once."""
        for number, name in enumerate(self.names):
            key = f"; name another in {self.keys[number]}" if self.keys else ""
            if name not in known:
                there = ", ".join(map(repr, known)) or "none"
                raise DataError(f"{place} has no column {name!r}; its columns are: {there}{suggest(name, known)}{key}")
            if known.count(name) > 1:
                raise DataError(f"{place} has several columns named {name!r}: rename all but the one that is meant")


def form_of(path: Path, columns: Columns, form: Form | None = None) -> Form:
    """How a file is written: what ``form`` leaves open is found.

    The encoding as ``encoding_of`` has it; the delimiter is the one with which the first line names the columns asked
    for (a tab in .tsv). Of a parquet file there is nothing to be said.

    Raises:
        DataError: as ``read_rows``.
    """
    form, ending = form or Form(), path.suffix.lower()
    if ending not in (".csv", *TABS, ".jsonl"):
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
    with decoded(path, form.encoding) as file:
        said = SEPARATOR.fullmatch(next(file, "").rstrip("\r\n"))
    if said:
        return said[1]
    heads = {delimiter: _head(path, replace(form, delimiter=delimiter)) for delimiter in DELIMITERS}
    naming = [delimiter for delimiter, head in heads.items() if {*columns.bare().names} <= {*head}]
    return max(naming or DELIMITERS, key=lambda delimiter: len(heads[delimiter]))


def _head(path: Path, form: Form) -> list[str]:
    try:
        return [name.strip() for name in next((fields for _, fields in _records(path, form)), [])]
    except DataError:  # a quote that this delimiter does not close
        return []


def csv_rows(path: Path, columns: Columns, form: Form) -> Iterator[Row]:
    form, columns = form_of(path, columns, form), columns.bare()
    records = _records(path, form)
    names = [name.strip() for name in next(records, ("", []))[1]]
    columns.check(str(path), names)
    places, width, passed = [names.index(name) for name in columns.names], None, list[int]()
    for line, fields in records:
        # In a file of one column nobody quotes a field that is empty, unless it is to be a row.
        if not any(field.strip() for field in fields) and len(names) > 1:
            passed += [line] if len(fields) > 1 else []
            continue
        place = f"{path}, line {line}"
        width = _width(fields, names, width, place)
        yield place, [fields[index] for index in places]
    if passed:
        logger.warning("%s: %d rows without anything in them are passed over, the first on line %d", path,
                       len(passed), passed[0])  # fmt: skip


def _records(path: Path, form: Form) -> Iterator[tuple[int, list[str]]]:
    """The fields of every record with the line that it begins in, blank lines left out."""
    with decoded(path, form.encoding) as file, _fields_of_any_length():
        first = next(file, "")
        skipped = bool(SEPARATOR.fullmatch(first.rstrip("\r\n")))
        lines = file if skipped else chain([first], file)
        quoting: Any = csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE
        reader = csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote or None, quoting=quoting, strict=True)
        line, told = 1 + skipped, form.delimiter != "\t"
        try:
            for fields in reader:
                if not told and any("\n" in field and "\t" in field for field in fields):
                    told = True
                    logger.warning("%s, line %d: one quoted field holds tabs and line ends; %s", path, line, QUOTES)
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
def _fields_of_any_length() -> Iterator[None]:
    """The standard library refuses fields of more than 128 kB, and knows only one limit for all."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
