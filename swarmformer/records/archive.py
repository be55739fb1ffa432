"""A finished grid in one file, ``runs.parquet``: its records byte for byte, of predictions what was answered.

A row per file:

cell        folder of the cell below the grid's, empty for the grid's own files
file        its name
sha256      of the file as the run wrote it
content     its bytes; null for predictions, whose logits are too large to keep for many runs
asked       predictions: which row says what was asked
answers     predictions: the class given to each example, in that order

and a row for each set of examples (``file`` is ``asked``, ``asked`` its digest) with their ``names`` and ``labels``.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import SwarmformerError
from .base import REMEDY, UnreadableFileError, in_a_line, load, write_bytes_atomically
from .curve import CURVE
from .names import CONFIG, COSTS, ENVIRONMENT, FAILURE, FLOORS, PLAN, REGISTERED
from .predictions import LOSSES, PREDICTIONS, Asked, read_predictions, save_answers, save_asked
from .run import RESULT, Result
from .tuning import TRIAL, TUNING

ARCHIVE = "runs.parquet"
ASKED = "asked"
LOG = "log.txt"
OF_GRID = (PLAN, REGISTERED, TUNING, FLOORS, COSTS)
OF_CELL = (CONFIG, ENVIRONMENT, CURVE, LOG, RESULT, TRIAL, FAILURE, LOSSES, PREDICTIONS)
LEVEL = 15
"""Of zstd: an archive is written once."""
SCHEMA = pa.schema([
    ("cell", pa.string()), ("file", pa.string()), ("sha256", pa.string()), ("content", pa.binary()),
    ("asked", pa.string()), ("answers", pa.list_(pa.int32())), ("names", pa.list_(pa.string())),
    ("labels", pa.list_(pa.int64())),
])  # fmt: skip
Row = dict[str, Any]


class ArchiveError(SwarmformerError):
    """A folder that cannot be sealed or opened as asked."""


def seal(grid: Path, out: Path, *, finished_only: bool = False) -> Path:
    """Write ``out/runs.parquet`` with the records of a grid's folder, which stays as it is; returns the file.

    Args:
        finished_only: leave out cells that have started and are neither finished nor failed, instead of refusing.

    Raises:
        ArchiveError: no folder of cells, a cell that still runs or was interrupted, or a file that is there already.
        UnreadableFileError: a result or predictions that are damaged; nothing is written.
    """
    if (out / ARCHIVE).exists():
        raise ArchiveError(f"{out / ARCHIVE}: is there already; move it away first")
    cells = [path.parent for path in sorted(grid.rglob(CONFIG))]
    if not cells or (grid / CONFIG).exists():
        raise ArchiveError(f"{grid}: no folder of cells, which a grid makes; name the folder of one grid")
    open_ends = [cell for cell in cells if not any((cell / name).exists() for name in (RESULT, TRIAL, FAILURE))]
    if open_ends and not finished_only:
        raise ArchiveError(f"{open_ends[0]}: neither finished nor failed; run the grid to its end, or say "
                           "--finished-only to leave out such cells")  # fmt: skip
    asked: dict[str, Asked] = {}
    rows = [_row(grid, grid / name) for name in OF_GRID if (grid / name).is_file()]
    for cell in (cell for cell in cells if cell not in open_ends):
        rows += [_of_cell(grid, cell / name, asked) for name in OF_CELL if (cell / name).is_file()]
    rows += [{"cell": "", "file": ASKED, "asked": digest, "names": each.names.tolist(), "labels": each.labels.tolist()}
             for digest, each in sorted(asked.items())]  # fmt: skip
    rows.sort(key=lambda row: (row["file"], row["cell"]))  # like beside like, which packs best
    out.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(out / ARCHIVE, _packed(rows))
    return out / ARCHIVE


def _row(grid: Path, path: Path) -> Row:
    content = path.read_bytes()
    return {"cell": _below(grid, path), "file": path.name, "sha256": _digest(content), "content": content}


def _of_cell(grid: Path, path: Path, asked: dict[str, Asked]) -> Row:
    if path.name != PREDICTIONS:
        return _row(grid, path)
    found = read_predictions(path.parent, load(path.parent / RESULT, Result))
    assert found is not None, path
    examples = Asked(found.names, found.labels)
    asked.setdefault(examples.digest, examples)
    return {"cell": _below(grid, path), "file": path.name, "sha256": _digest(path.read_bytes()),
            "asked": examples.digest, "answers": found.given.tolist()}  # fmt: skip


def _below(grid: Path, path: Path) -> str:
    below = path.parent.relative_to(grid).as_posix()
    return "" if below == "." else below


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _packed(rows: list[Row]) -> bytes:
    buffer = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(table, buffer, compression="zstd", compression_level=LEVEL, data_page_size=1 << 26,
                   write_page_checksum=True)  # fmt: skip
    return bytes(buffer.getvalue())


def unseal(folder: Path, out: Path) -> None:
    """Lay out what ``folder/runs.parquet`` holds as a grid's folder ``out``; predictions become ``answers.npz``.

    Raises:
        ArchiveError: there is no such file, or ``out`` has something in it.
        UnreadableFileError: damaged, or a file that is not what its checksum says.
    """
    if not (folder / ARCHIVE).is_file():
        raise ArchiveError(f"{folder}: no {ARCHIVE} here")
    if out.is_dir() and any(out.iterdir()):
        raise ArchiveError(f"{out}: there is something in it already; name a new folder")
    for row in _rows(folder / ARCHIVE):
        place = _place(folder / ARCHIVE, out, row)
        place.mkdir(parents=True, exist_ok=True)
        if row["file"] == ASKED:
            save_asked(place, Asked.of(row["names"], row["labels"]))
        elif row["content"] is None:
            save_answers(place, row["asked"], row["answers"])
        elif _digest(row["content"]) != row["sha256"]:
            raise UnreadableFileError(folder / ARCHIVE, f"{row['cell']}/{row['file']}: its checksum differs; {REMEDY}")
        else:
            (place / row["file"]).write_bytes(row["content"])


def _rows(path: Path) -> Iterator[Row]:
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        if table.schema != SCHEMA:
            raise UnreadableFileError(path, f"its columns are not those of an archive of runs; {REMEDY}")
        yield from table.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UnreadableFileError(path, f"damaged ({in_a_line(error)}); {REMEDY}") from error


def _place(path: Path, out: Path, row: Row) -> Path:
    """Where a row belongs: nothing in an archive may lead out of the folder that it is laid out in."""
    cell = PurePosixPath(row["cell"])
    if row["file"] not in (*OF_GRID, *OF_CELL, ASKED) or cell.is_absolute() or ".." in cell.parts:
        raise UnreadableFileError(path, f"{row['cell']}/{row['file']}: no file of a grid")
    return out / cell


def opened(folder: Path) -> Path:
    """The folder itself; where a grid is sealed in it, a copy laid out for as long as this process lives.

    Raises:
        UnreadableFileError: damaged.
    """
    path = folder / ARCHIVE
    if not path.is_file():
        return folder
    found = path.stat()
    return _opened(folder, found.st_ino, found.st_size, found.st_mtime_ns)


@cache
def _opened(folder: Path, *_signature: int) -> Path:
    out = Path(_scratch().name) / str(len(list(Path(_scratch().name).iterdir()))) / folder.resolve().name
    unseal(folder, out)
    return out


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="swarmformer-runs-")
