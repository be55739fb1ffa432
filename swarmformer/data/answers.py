"""Rows of texts to be answered, read as they come, and the files that answers are written to."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from swarmformer.data.delimited import Columns, Form
from swarmformer.data.tables import READERS, read_rows
from swarmformer.errors import DataError, UsageError

Record = Mapping[str, Any]
Write = Callable[[Record], None]


def is_table(source: Path | None) -> bool:
    """Whether a source has columns; else it has a text on every line."""
    return source is not None and source.suffix.lower() in READERS


def read_texts(
    source: Path | None, columns: Columns, form: Form | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where a row stands, and its values by column, the first of which is its text.

    Args:
        source: a table (``swarmformer.data.tables``), or plain UTF-8 with a text on each line; None: standard input.
        form: how a table is written, where that is not to be found.

    Raises:
        DataError: unreadable, a column that is missing, or a text that is none; says where.
    """
    if source is None or not is_table(source):
        for number, line in _lines(source):
            yield f"{source or 'standard input'}, line {number}", {columns.names[0]: line}
        return
    for place, values in read_rows(source, columns, form):
        if not isinstance(values[0], str):
            raise DataError(f"{place}: {columns.names[0]!r} is {values[0]!r}, expected text")
        yield place, dict(zip(columns.names, values, strict=True))


def _lines(source: Path | None) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line; an empty one is a text too."""
    name = source or "standard input"
    opened: AbstractContextManager[IO[bytes]] = nullcontext(sys.stdin.buffer) if source is None else source.open("rb")
    with opened as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError(f"{name}, line {number}: not UTF-8 ({error.reason} at byte {error.start}): save it as "
                                "UTF-8; a binary file is no text") from None  # fmt: skip
            if "\0" in text:
                raise DataError(f"{name}, line {number}: has a zero byte: a binary file is no text, UTF-16 is not read")
            yield number, text


@contextmanager
def writer(output: Path | None, form: str, columns: Types) -> Iterator[Write]:
    """What takes records with these columns; a file is there, whole, only when all are written.

    Args:
        columns: as ``flat_columns`` gives them.
        output: .csv, .tsv, .jsonl or .parquet; None: standard output.
        form: of standard output, ``csv``, ``tsv`` or ``jsonl``.

    Raises:
        DataError: another ending.
    """
    if output is None:
        with WRITERS[f".{form}"](sys.stdout.buffer, columns) as write:
            yield write
        return
    partial = output.with_name(f".{output.name}.partial")
    try:
        with partial.open("wb") as file, WRITERS[output.suffix.lower()](file, columns) as write:
            yield write
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def check_output(output: Path | None, option: str, source: Path | None = None) -> None:
    """Raise DataError where the table of an option cannot be written, before anything is computed for it.

    source: the file that is read, which is not to be lost.
    """
    if output is not None and output.suffix.lower() not in WRITERS:
        raise DataError(f"{option} {output}: not known by its ending; files end in {', '.join(WRITERS)}")
    check_place(output, option, source)


def check_place(output: Path | None, option: str, source: Path | None = None) -> None:
    """The same of a file with any ending."""
    if output is None:
        return
    if not output.absolute().parent.is_dir():
        raise DataError(f"{option} {output}: there is no folder {output.absolute().parent}")
    if output.is_dir():
        raise DataError(f"{option} {output}: is a folder; name a file")
    if source is not None and output.exists() and source.exists() and output.samefile(source):
        raise DataError(f"{option} {output}: is the file that is read, and would be lost; name another")


@contextmanager
def _separated(file: IO[bytes], columns: Types, delimiter: str) -> Iterator[Write]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    try:
        rows = csv.DictWriter(text, list(columns), delimiter=delimiter, lineterminator="\n")
        rows.writeheader()
        yield lambda record: rows.writerow(_flat(record))
    finally:
        text.flush()
        text.detach()


@contextmanager
def _jsonl(file: IO[bytes], columns: Types) -> Iterator[Write]:
    def write(record: Record) -> None:
        file.write(json.dumps(_plain(record), ensure_ascii=False).encode() + b"\n")

    yield write
    file.flush()


@contextmanager
def _parquet(file: IO[bytes], columns: Types) -> Iterator[Write]:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(column, getattr(pyarrow, kind)()) for column, kind in columns.items()])
    held: list[Record] = []
    with pyarrow.parquet.ParquetWriter(file, schema) as table:

        def flush() -> None:
            rows = [{name: _typed(columns[name], value) for name, value in _flat(record).items()} for record in held]
            table.write_table(pyarrow.Table.from_pylist(rows, schema))
            held.clear()

        def write(record: Record) -> None:
            held.append(record)
            if len(held) == ROWS:
                flush()

        yield write
        flush()


ROWS = 8192
"""Of a group of rows in a parquet file."""
PROBABILITY = "probability"
PROBABILITIES = "probabilities"
TEXT, NUMBER, TRUTH = "string", "float64", "bool_"
"""Kinds of columns, as pyarrow calls them."""
Types = Mapping[str, str]
"""Column → its kind."""


def flat_columns(columns: Types, classes: Sequence[str]) -> dict[str, str]:
    """Columns of a table: ``probabilities`` becomes one for each class."""
    return {
        part: kind for column, kind in columns.items()
        for part in ([f"{PROBABILITY}_{name}" for name in classes] if column == PROBABILITIES else [column])
    }  # fmt: skip


def check_kept(kept: Sequence[str], added: Types, classes: Sequence[str], ending: str) -> None:
    """Raise UsageError where a column that is kept has the name of one that answers add.

    ending: of the file that they are written to.
    """
    taken = {*added, *(() if ending == ".jsonl" else flat_columns(added, classes))}
    for name in kept:
        if name in taken:
            labels = "; swarmformer evaluate --examples writes labels beside answers" if name == "label" else ""
            raise UsageError(f"column {name!r} cannot be kept beside answers, which have one of that name: rename it, "
                             f"or --keep others{labels}")  # fmt: skip


def _flat(record: Record) -> dict[str, Any]:
    found = {name: value for name, value in record.items() if name != PROBABILITIES}
    return found | {f"{PROBABILITY}_{name}": value for name, value in record.get(PROBABILITIES, {}).items()}


def _plain(value: Any) -> Any:
    """As JSON has it: null for a number that is none, and text for what it knows nothing of, as a date."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _typed(kind: str, value: Any) -> Any:
    return str(value) if value is not None and kind == TEXT else value


WRITERS: dict[str, Callable[[IO[bytes], Types], AbstractContextManager[Write]]] = {
    ".csv": lambda file, columns: _separated(file, columns, ","),
    ".tsv": lambda file, columns: _separated(file, columns, "\t"),
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}
