"""A finished grid in one file, ``runs.parquet``: its records byte for byte, of predictions what was answered.

A row per file:

cell        folder of the cell below the grid's, empty for the grid's own files
file        its name
sha256      of the file as the run wrote it
content     its bytes; null for predictions, whose logits are too large to keep for many runs
asked       predictions: which row says what was asked
answers     predictions: the class given to each example, in that order

and a row for each set of examples (``file`` is ``asked``, ``asked`` its digest) with their ``names`` (UTF-8) and
``labels``. ``rows_sha256`` in the file's metadata is over all rows. Weights, checkpoints, sacred's records and what the
processes printed are not in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import REMEDY, UnreadableFileError, digest_of, in_a_line
from .names import (
    CONFIG,
    COSTS,
    CURVE,
    ENVIRONMENT,
    EXTENDED,
    FAILURE,
    FLOORS,
    LOG,
    LOSSES,
    PLAN,
    PRECISION,
    PREDICTIONS,
    REGISTERED,
    RESULT,
    TRIAL,
    TUNING,
)
from .tuning import TRIALS

if TYPE_CHECKING:  # pyarrow takes longer to import than all else here
    import pyarrow as pa

ARCHIVE = "runs.parquet"
ASKED = "asked"
CHECKSUM = "rows_sha256"
OF_GRID = (PLAN, REGISTERED, EXTENDED, TUNING, PRECISION, FLOORS, COSTS)
OF_CELL = (CONFIG, ENVIRONMENT, CURVE, LOG, RESULT, TRIAL, FAILURE, LOSSES)
SET_ASIDE = re.compile(r"(?:failure|tuning)-\d+\.json")
"""What ``retry`` keeps of before."""
CELL = re.compile(rf"(?:{TRIALS}/)?[^/\\:\0]+")
"""A cell's folder below the grid's; nothing else may come out of an archive."""
LEVEL = 15
"""Of zstd: an archive is written once."""
LARGEST = 1 << 31
"""Bytes that an archive is laid out to at most."""
BATCH = 256
"""Rows that are read at a time."""
Row = dict[str, Any]


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([
        ("cell", pa.string()), ("file", pa.string()), ("sha256", pa.string()), ("content", pa.binary()),
        ("asked", pa.string()), ("answers", pa.list_(pa.int32())), ("names", pa.list_(pa.binary())),
        ("labels", pa.list_(pa.int64())),
    ])  # fmt: skip


def packed(rows: Sequence[Row]) -> bytes:
    """The file's content."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, buffer, digest = _schema(), pa.BufferOutputStream(), hashlib.sha256()
    for row in rows:
        _add_to(digest, row)
    schema = schema.with_metadata({CHECKSUM: digest.hexdigest()})
    columns = [pa.array([row.get(column.name) for row in rows], column.type) for column in schema]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), buffer, compression="zstd", compression_level=LEVEL,
                   data_page_size=1 << 26, write_page_checksum=True)  # fmt: skip
    return bytes(buffer.getvalue())


def rows_of(path: Path) -> Iterator[Row]:
    """Every row of an archive, checked.

    Raises:
        UnreadableFileError: damaged, no archive, a row that no grid wrote or that is there twice, or more than
            ``LARGEST`` bytes.
    """
    known, size, digest, told = set[tuple[str, str, str]](), 0, hashlib.sha256(), _told(path)
    for row in _stored(path):
        identity = (row["cell"], row["file"], row["asked"] or "")
        fault = "is in it twice" if identity in known else _fault(row)
        if fault:
            raise UnreadableFileError(path, f"{row['cell']}/{row['file']}: {fault}; {REMEDY}")
        known.add(identity)
        size += _size(row)
        if size > LARGEST:
            raise UnreadableFileError(path, f"would unpack to more than {LARGEST:,} bytes")
        _add_to(digest, row)
        yield row
    if digest.hexdigest() != told:
        raise UnreadableFileError(path, f"not what was written: its checksum differs; {REMEDY}")


def _told(path: Path) -> str:
    """The checksum over all rows that the file has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return (pq.read_schema(path).metadata or {}).get(CHECKSUM.encode(), b"").decode("ascii", "replace")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableFileError(path, f"damaged ({in_a_line(error)}); {REMEDY}") from error


def _add_to(digest: hashlib._Hash, row: Row) -> None:
    """All of a row but its content, which ``sha256`` stands for."""
    words = (row.get(key) or "" for key in ("cell", "file", "sha256", "asked"))
    digest.update("\0".join(words).encode() + b"\0")
    for key, kind in (("answers", "<i4"), ("labels", "<i8")):
        values = row.get(key)
        digest.update(b"" if values is None else np.asarray(values, dtype=kind).tobytes())
    digest.update(b"\0".join(row.get("names") or ()))


def _stored(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as stored:
            if stored.schema_arrow != _schema():
                raise UnreadableFileError(path, f"its columns are not those of an archive of runs; {REMEDY}")
            groups = (stored.metadata.row_group(place) for place in range(stored.metadata.num_row_groups))
            if sum(group.total_byte_size for group in groups) > LARGEST:
                raise UnreadableFileError(path, f"would unpack to more than {LARGEST:,} bytes")
            for batch in stored.iter_batches(BATCH):
                yield from batch.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableFileError(path, f"damaged ({in_a_line(error)}); {REMEDY}") from error


def _fault(row: Row) -> str:
    """What is wrong with a row, if anything."""
    cell, file = row["cell"], row["file"]
    if not isinstance(cell, str) or not isinstance(file, str):
        return "a row without cell or file"
    if cell and (not CELL.fullmatch(cell) or cell.rpartition("/")[2] in (".", "..", TRIALS)):
        return "no folder of a cell"
    if file == ASKED:
        whole = not cell and row["names"] is not None and row["labels"] is not None
        return "" if whole and len(row["names"]) == len(row["labels"]) and row["asked"] else "no set of examples"
    if file == PREDICTIONS:
        return "" if cell and row["asked"] and row["answers"] is not None else "no answers"
    if not (SET_ASIDE.fullmatch(file) or file in (OF_CELL if cell else OF_GRID)) or row["content"] is None:
        return "no file of a grid"
    return "" if digest_of(row["content"]) == row["sha256"] else "its checksum differs"


def _size(row: Row) -> int:
    return len(row["content"] or b"") + 4 * len(row["answers"] or ()) + sum(map(len, row["names"] or ()))
