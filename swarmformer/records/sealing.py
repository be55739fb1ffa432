"""Seal a finished grid into one file, and lay it out again."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import SwarmformerError
from .archive import ARCHIVE, ASKED, OF_CELL, OF_GRID, SET_ASIDE, Row, packed, rows_of
from .base import Document, UnreadableFileError, digest_of, in_a_line, load, sha256_of, write_bytes_atomically
from .costs import Costs, Floors
from .curve import read_curve
from .environment import Environment
from .names import (
    CONFIG,
    COSTS,
    ENVIRONMENT,
    EXTENDED,
    FAILURE,
    FLOORS,
    PLAN,
    PRECISION,
    PREDICTIONS,
    REGISTERED,
    RESULT,
    TRIAL,
    TUNING,
)
from .plan import Extensions, Plan, Registration
from .precision import Precisions
from .predictions import Answers, Asked, read_answers, read_losses, save_answers, save_asked
from .run import Config, Failure, Result
from .tuning import TRIALS, Trial, Tuning, chosen_plan, read_tuning

WEIGHTS = "model"
DOCUMENTS: dict[str, type[Document]] = {
    PLAN: Plan, REGISTERED: Registration, EXTENDED: Extensions, TUNING: Tuning, PRECISION: Precisions, FLOORS: Floors,
    COSTS: Costs, CONFIG: Config, ENVIRONMENT: Environment, RESULT: Result, TRIAL: Trial, FAILURE: Failure,
}  # fmt: skip


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
        self.rows.append({"cell": _below(self.grid, path.parent), "file": path.name, "sha256": digest_of(content),
                          "content": content, **more})  # fmt: skip

    def add_answers(self, cell: Path, answers: Answers, result: Result) -> None:
        self.asked.setdefault(answers.asked.digest, answers.asked)
        path = cell / PREDICTIONS
        sha256 = result.files.get(PREDICTIONS) or (sha256_of(path) if path.exists() else None)
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
            already, a place within the grid's folder, or more than an archive may hold.
        UnreadableFileError: a record that is damaged; nothing is written.
    """
    if (out / ARCHIVE).exists():
        raise ArchiveError(f"{out / ARCHIVE}: is there already; move it away first")
    if out.resolve().is_relative_to(grid.resolve()):
        raise ArchiveError(f"{out}: lies within the grid's own folder, which would hide its cells; name another")
    settled, open_ends = _settled(grid)
    if open_ends and not finished_only:
        more = f" and {len(open_ends) - 1} more" if open_ends[1:] else ""
        raise ArchiveError(f"{grid}: {open_ends[0]}{more}: neither finished nor failed; run the grid to its end, or "
                           "leave such cells out with --finished-only")  # fmt: skip
    try:
        rows = _read_all(grid, settled)
    except OSError as error:
        raise ArchiveError(f"{grid}: cannot be read, or changed meanwhile: {in_a_line(error)}") from error
    _write_proven(packed(rows.all()), grid, out)
    weights = tuple(cell / WEIGHTS for cell in settled if (cell / WEIGHTS).is_dir())
    return Sealed(out / ARCHIVE, tuple(open_ends), weights)


def _settled(grid: Path) -> tuple[list[Path], list[str]]:
    """Cells and trials that have finished or failed, and the names of those that have not, or have not begun.

    Raises:
        ArchiveError: none has begun.
    """
    cells = _cells(grid)
    if not cells:
        raise ArchiveError(f"{grid}: no folder of cells, which a grid makes; name the folder of one grid")
    settled = [cell for cell in cells if any((cell / name).exists() for name in (RESULT, TRIAL, FAILURE))]
    return settled, sorted({*(_below(grid, cell) for cell in cells if cell not in settled), *_missing(grid, cells)})


def _write_proven(content: bytes, grid: Path, out: Path) -> None:
    """The archive, once it was read back: whoever seals a grid may delete its folder.

    Raises:
        ArchiveError: it could not be opened again, as when it holds more than is ever laid out.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        path = Path(scratch) / ARCHIVE
        write_bytes_atomically(path, content)
        try:
            deque(rows_of(path), maxlen=0)
        except UnreadableFileError as error:
            raise ArchiveError(f"{grid}: not sealed, as it could not be opened again: {error.reason}. Keep the folder "
                               "itself") from error  # fmt: skip
        out.mkdir(exist_ok=True)
        path.replace(out / ARCHIVE)


def _cells(grid: Path) -> list[Path]:
    """Cells and trials that have begun."""
    return sorted(path.parent for place in (grid, grid / TRIALS) for path in place.glob(f"*/{CONFIG}"))


def _missing(grid: Path, cells: list[Path]) -> set[str]:
    """Planned cells and trials of which there is nothing; an arm all of whose trials failed has no cells."""
    if not (grid / PLAN).exists():
        return set()
    tuning = read_tuning(grid)
    plan = chosen_plan(load(grid / PLAN, Plan), tuning)
    without_choice = {arm.arm for arm in tuning.arms if arm.chosen is None} if tuning else set()
    planned = {cell.cell or f"{cell.arm}, seed {cell.seed}" for cell in plan.cells if cell.arm not in without_choice}
    planned |= {f"{TRIALS}/{trial.cell}" for trial in plan.tuning.trials} if plan.tuning else set()
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


def unseal(archive: Path, out: Path) -> None:
    """Lay out a sealed grid as the folder ``out``, whole or not at all; predictions become ``answers.npz``.

    Args:
        archive: ``runs.parquet``, or the folder that it lies in.

    Raises:
        ArchiveError: there is no such file, or ``out`` has something in it.
        UnreadableFileError: damaged, or not what a grid wrote.
    """
    path = archive / ARCHIVE if archive.is_dir() else archive
    if not path.is_file():
        raise ArchiveError(f"{archive}: no {ARCHIVE} here; name the folder of a sealed grid, or the file")
    if os.path.lexists(out) and not out.is_dir():
        raise ArchiveError(f"{out}: is a file; name a new folder")
    if out.is_dir() and out.samefile("."):
        raise ArchiveError(f"{out}: is the folder that you are in, which cannot be replaced; name a new one")
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
    for row in rows_of(path):
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
