"""A finished grid in one file, ``runs.parquet``: its records byte for byte, of predictions what was answered.

A row per file:

cell        folder of the cell below the grid's, empty for the grid's own files
file        its name
sha256      of the file as the run wrote it
content     its bytes; null for predictions, whose logits are too large to keep for many runs
asked       predictions: which row says what was asked
answers     predictions: the class given to each example, in that order

and a row for each set of examples (``file`` is ``asked``, ``asked`` its digest) with their ``names`` (UTF-8) and
``labels``. Weights, checkpoints, sacred's records and what the processes printed are not in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SwarmformerError
from .base import REMEDY, Document, UnreadableFileError, in_a_line, load, write_bytes_atomically
from .costs import Costs, Floors
from .curve import CURVE, read_curve
from .environment import Environment
from .names import CONFIG, COSTS, ENVIRONMENT, FAILURE, FLOORS, PLAN, REGISTERED
from .plan import Plan, Registration
from .predictions import LOSSES, PREDICTIONS, Answers, Asked, read_answers, read_losses, save_answers, save_asked
from .run import RESULT, Config, Failure, Result
from .tuning import TRIAL, TRIALS, TUNING, Trial, Tuning, chosen_plan, read_tuning

if TYPE_CHECKING:  # pyarrow takes longer to import than all else here
    import pyarrow as pa

ARCHIVE = "runs.parquet"
ASKED = "asked"
LOG = "log.txt"
WEIGHTS = "model"
DOCUMENTS: dict[str, type[Document]] = {
    PLAN: Plan, REGISTERED: Registration, TUNING: Tuning, FLOORS: Floors, COSTS: Costs, CONFIG: Config,
    ENVIRONMENT: Environment, RESULT: Result, TRIAL: Trial, FAILURE: Failure,
}  # fmt: skip
OF_GRID = (PLAN, REGISTERED, TUNING, FLOORS, COSTS)
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


class ArchiveError(SwarmformerError):
    """A folder that cannot be sealed or opened as asked."""


@dataclass(frozen=True)
class Sealed:
    """The file; cells that are not in it, as not finished; folders of weights, which are not in it either."""

    path: Path
    left_out: tuple[str, ...]
    weights: tuple[Path, ...]


@dataclass
class _Rows:
    """What goes into an archive. ``asked``: every set of examples once."""

    grid: Path
    rows: list[Row] = field(default_factory=list)
    asked: dict[str, Asked] = field(default_factory=dict)

    def add(self, path: Path, **more: Any) -> None:
        content = path.read_bytes()
        self.rows.append({"cell": _below(self.grid, path.parent), "file": path.name, "sha256": _digest(content),
                          "content": content, **more})  # fmt: skip

    def add_answers(self, cell: Path, answers: Answers, result: Result) -> None:
        self.asked.setdefault(answers.asked.digest, answers.asked)
        path = cell / PREDICTIONS
        sha256 = result.files.get(PREDICTIONS) or (_digest(path.read_bytes()) if path.exists() else None)
        self.rows.append({"cell": _below(self.grid, cell), "file": PREDICTIONS, "sha256": sha256,
                          "asked": answers.asked.digest, "answers": answers.given})  # fmt: skip

    def all(self) -> list[Row]:
        """Like beside like, which packs best."""
        examples = [{"cell": "", "file": ASKED, "asked": digest, "labels": each.labels,
                     "names": [name.encode("utf-8", "surrogatepass") for name in each.names.tolist()]}
                    for digest, each in self.asked.items()]  # fmt: skip
        return sorted([*self.rows, *examples], key=lambda row: (row["file"], row["cell"], row.get("asked") or ""))


def seal(grid: Path, out: Path, *, finished_only: bool = False) -> Sealed:
    """Write ``out/runs.parquet`` with the records of a grid's folder, which stays as it is.

    Args:
        finished_only: leave out cells that are neither finished nor failed, instead of refusing.

    Raises:
        ArchiveError: no folder of cells, a cell that still runs, was interrupted or has not begun, a file that is there
            already, or a place within the grid's folder.
        UnreadableFileError: a record that is damaged; nothing is written.
    """
    if (out / ARCHIVE).exists():
        raise ArchiveError(f"{out / ARCHIVE}: is there already; move it away first")
    if out.resolve().is_relative_to(grid.resolve()):
        raise ArchiveError(f"{out}: lies within the grid's own folder, which would hide its cells; name another")
    cells = _cells(grid)
    if not cells:
        raise ArchiveError(f"{grid}: no folder of cells, which a grid makes; name the folder of one grid")
    settled = [cell for cell in cells if any((cell / name).exists() for name in (RESULT, TRIAL, FAILURE))]
    open_ends = sorted({*(_below(grid, cell) for cell in cells if cell not in settled), *_missing(grid, cells)})
    if open_ends and not finished_only:
        more = f" and {len(open_ends) - 1} more" if open_ends[1:] else ""
        raise ArchiveError(f"{grid}: {open_ends[0]}{more}: neither finished nor failed; run the grid to its end, or "
                           "leave such cells out with --finished-only")  # fmt: skip
    try:
        rows = _read_all(grid, settled)
    except OSError as error:
        raise ArchiveError(f"{grid}: cannot be read, or changed meanwhile: {in_a_line(error)}") from error
    out.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(out / ARCHIVE, _packed(rows.all()))
    weights = tuple(cell / WEIGHTS for cell in settled if (cell / WEIGHTS).is_dir())
    return Sealed(out / ARCHIVE, tuple(open_ends), weights)


def _cells(grid: Path) -> list[Path]:
    """Cells and trials that have begun."""
    return sorted(path.parent for place in (grid, grid / TRIALS) for path in place.glob(f"*/{CONFIG}"))


def _missing(grid: Path, cells: list[Path]) -> set[str]:
    """Planned cells and trials of which there is nothing."""
    if not (grid / PLAN).exists():
        return set()
    plan = chosen_plan(load(grid / PLAN, Plan), read_tuning(grid))
    planned = {cell.cell or f"{cell.arm}, seed {cell.seed}" for cell in plan.cells}
    return planned - {_below(grid, cell) for cell in cells}


def _read_all(grid: Path, cells: list[Path]) -> _Rows:
    """Every record through its own reader first, so that nothing damaged is sealed as good."""
    found = _Rows(grid)
    for folder in (grid, *cells):
        names = OF_GRID if folder == grid else OF_CELL
        aside = sorted(path.name for path in folder.iterdir() if SET_ASIDE.fullmatch(path.name))
        for path in (folder / name for name in (*names, *aside) if (folder / name).is_file()):
            if path.name in DOCUMENTS:
                load(path, DOCUMENTS[path.name])
            found.add(path)
    for cell in cells:
        done = next((load(cell / name, kind) for name, kind in ((RESULT, Result), (TRIAL, Trial))
                     if (cell / name).exists()), None)  # fmt: skip
        read_curve(cell, done if isinstance(done, Result | Trial) else None)
        if isinstance(done, Result):
            read_losses(cell, done)
            answers = read_answers(cell, done)
            if answers is not None:
                found.add_answers(cell, answers, done)
    return found


def _below(grid: Path, folder: Path) -> str:
    below = folder.relative_to(grid).as_posix()
    return "" if below == "." else below


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([
        ("cell", pa.string()), ("file", pa.string()), ("sha256", pa.string()), ("content", pa.binary()),
        ("asked", pa.string()), ("answers", pa.list_(pa.int32())), ("names", pa.list_(pa.binary())),
        ("labels", pa.list_(pa.int64())),
    ])  # fmt: skip


def _packed(rows: list[Row]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, buffer = _schema(), pa.BufferOutputStream()
    columns = [pa.array([row.get(column.name) for row in rows], column.type) for column in schema]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), buffer, compression="zstd", compression_level=LEVEL,
                   data_page_size=1 << 26, write_page_checksum=True)  # fmt: skip
    return bytes(buffer.getvalue())


def unseal(archive: Path, out: Path) -> None:
    """Lay out a sealed grid as the folder ``out``, whole or not at all; predictions become ``answers.npz``.

    Args:
        archive: ``runs.parquet``, or the folder that it lies in.

    Raises:
        ArchiveError: there is no such file, or ``out`` has something in it.
        UnreadableFileError: damaged, a file that is not what its checksum says, or more than ``LARGEST`` bytes.
    """
    path = archive / ARCHIVE if archive.is_dir() else archive
    if not path.is_file():
        raise ArchiveError(f"{archive}: no {ARCHIVE} here; name the folder of a sealed grid, or the file")
    if out.is_dir() and any(out.iterdir()):
        raise ArchiveError(f"{out}: there is something in it already; name a new folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        _lay_out(path, Path(scratch) / "grid")
        if out.is_dir():
            out.rmdir()
        (Path(scratch) / "grid").replace(out)


def _lay_out(path: Path, out: Path) -> None:
    out.mkdir()
    known, size = set[tuple[str, str, str]](), 0
    for row in _rows(path):
        identity = (row["cell"], row["file"], row["asked"] or "")
        fault = "is in it twice" if identity in known else _fault(row)
        if fault:
            raise UnreadableFileError(path, f"{row['cell']}/{row['file']}: {fault}; {REMEDY}")
        known.add(identity)
        size += _size(row)
        if size > LARGEST:
            raise UnreadableFileError(path, f"would unpack to more than {LARGEST:,} bytes")
        place = out / row["cell"]
        place.mkdir(parents=True, exist_ok=True)
        _write(place, row)


def _write(place: Path, row: Row) -> None:
    if row["file"] == ASKED:
        names = [name.decode("utf-8", "surrogatepass") for name in row["names"]]
        save_asked(place, Asked.of(names, row["labels"]))
    elif row["file"] == PREDICTIONS:
        save_answers(place, row["asked"], row["answers"])
    else:
        (place / row["file"]).write_bytes(row["content"])


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
    return "" if _digest(row["content"]) == row["sha256"] else "its checksum differs"


def _size(row: Row) -> int:
    return len(row["content"] or b"") + 4 * len(row["answers"] or ()) + sum(map(len, row["names"] or ()))


def _rows(path: Path) -> Iterator[Row]:
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


def opened(folder: Path) -> Path:
    """The folder itself; where a grid is sealed in it, a copy laid out for as long as this process lives.

    Raises:
        UnreadableFileError: damaged.
    """
    path = folder / ARCHIVE
    if not path.is_file():
        return folder
    found = path.stat()
    return _opened(Path(os.path.abspath(folder)), found.st_ino, found.st_size, found.st_mtime_ns)


@cache
def _opened(folder: Path, *_signature: int) -> Path:
    out = Path(tempfile.mkdtemp(dir=_scratch().name)) / folder.name
    unseal(folder, out)
    return out


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="swarmformer-runs-")
