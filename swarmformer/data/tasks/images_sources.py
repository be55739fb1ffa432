"""Where pictures come from: folders, parquet files, data sets of the hub."""

from __future__ import annotations

import io
import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmformer.data.files import file_hash, json_hash
from swarmformer.data.sources import from_hub, read_columns
from swarmformer.errors import DataError
from swarmformer.settings import expanded

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger("swarmformer.data")
Pictured = tuple[str, str, str | int, "Image"]
"""Name within its split, words for errors, label (name or number of a class), picture."""


class Source(ABC):
    """Where the pictures of one split are."""

    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of its classes, index = number."""

    @abstractmethod
    def identity(self) -> dict[str, Any]: ...

    @abstractmethod
    def pictures(self) -> Iterator[Pictured]: ...


def source_of(split: str, name: str, columns: tuple[str, str]) -> Source:
    """Raises DataError where there is neither folder nor .parquet file of that name."""
    path = expanded(os.path.expandvars(name))
    if path.is_dir():
        return Folder(path)
    if path.suffix == ".parquet" and path.is_file():
        return ParquetFile(path, columns)
    raise DataError(f"task images: {split}: {path} is neither a folder nor a .parquet file (looked in {Path.cwd()})")


@dataclass(frozen=True)
class Folder(Source):
    """``path/CLASS/….png``; hidden files and those that are no pictures by their name are passed over."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def classes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(file.relative_to(self.path).parts[0] for file in self.files()))

    def identity(self) -> dict[str, Any]:
        names = {file.relative_to(self.path).as_posix(): file_hash(file) for file in self.files()}
        return {"pictures": json_hash(names)}

    def files(self) -> list[Path]:
        """Sorted by class and name.

        Raises:
            DataError: no picture in any folder inside.
        """
        found, passed = _listed(self.path)
        if not found:
            raise DataError(f"{self.path} has no pictures in folders inside, one folder for each class"
                            f"{f'; it has {passed[0].name}' if passed else ''}")  # fmt: skip
        return found

    def pictures(self) -> Iterator[Pictured]:
        if passed := _listed(self.path)[1]:
            logger.warning("%d files in %s are no pictures in a class's folder: %s …", len(passed), self, passed[0])
        for file in self.files():
            name = file.relative_to(self.path)
            yield name.as_posix(), str(file), name.parts[0], _open(file, str(file))


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Pictures, and what else is there."""
    from PIL import Image

    known = Image.registered_extensions()
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()
             and not any(part.startswith(".") for part in file.relative_to(folder).parts)]  # fmt: skip
    pictures = [file for file in files if file.suffix.lower() in known and file.parent != folder]
    return pictures, [file for file in files if file not in set(pictures)]


@dataclass(frozen=True)
class ParquetFile(Source):
    """Columns of encoded pictures, bytes or the hub's ``{"bytes", "path"}``, and of labels, numbers or names."""

    path: Path
    columns: tuple[str, str]

    def __str__(self) -> str:
        return str(self.path)

    def classes(self) -> tuple[str, ...]:
        """As the hub's own note in the file says, else the labels that occur."""
        if names := _named_in(self.path, self.columns[1]):
            return names
        labels = set(read_columns(self.path, self.columns[1:]).column(0).to_pylist())
        if all(type(label) is int for label in labels):
            return tuple(map(str, range(max(labels, default=-1) + 1)))
        return tuple(sorted(map(str, labels)))

    def identity(self) -> dict[str, Any]:
        return {"sha256": _hash(self.path, self.path.stat().st_size, self.path.stat().st_mtime_ns),
                "columns": list(self.columns)}  # fmt: skip

    def pictures(self) -> Iterator[Pictured]:
        table, row = read_columns(self.path, self.columns), 0
        for batch in table.to_batches(max_chunksize=1000):
            for picture, label in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                place = f"{self.path}, row {row}"
                content = picture.get("bytes") if isinstance(picture, dict) else picture
                if not isinstance(content, bytes):
                    raise DataError(f"{place}: {self.columns[0]} holds no encoded picture (bytes), but "
                                    f"{type(content).__name__}")  # fmt: skip
                yield str(row), place, _label(label, place), _open(io.BytesIO(content), place)
                row += 1


@cache
def _hash(path: Path, size: int, changed_ns: int) -> str:
    """Once for each change of a file."""
    return file_hash(path)


def _named_in(path: Path, column: str) -> tuple[str, ...]:
    """The names that ``datasets`` writes beside a column of classes; none where it did not write the file."""
    import pyarrow.parquet

    read_columns(path, [column])
    notes = (pyarrow.parquet.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    feature = json.loads(notes).get("info", {}).get("features", {}).get(column, {})
    return tuple(feature.get("names", ())) if isinstance(feature, dict) else ()


@dataclass(frozen=True)
class HubSplit(Source):
    """A split of a data set of the hub."""

    name: str
    revision: str
    split: str
    columns: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.name}, split {self.split}"

    def classes(self) -> tuple[str, ...]:
        raise DataError(f"task images: {self}: say the names of its classes, data.task.classes")

    def identity(self) -> dict[str, Any]:
        return {"hub": self.name, "revision": self.revision, "split": self.split, "columns": list(self.columns)}

    def pictures(self) -> Iterator[Pictured]:
        (table,) = from_hub(self.name, self.revision, (self.split,),
                            "its pictures as .parquet files, named by data.task.train and data.task.test")  # fmt: skip
        if missing := [column for column in self.columns if column not in table.column_names]:
            raise DataError(f"{self} has no column {', '.join(missing)}; its columns are: "
                            f"{', '.join(table.column_names)}")  # fmt: skip
        for row, example in enumerate(table):
            place = f"{self}, row {row}"
            yield str(row), place, _label(example[self.columns[1]], place), example[self.columns[0]]


def _label(value: Any, place: str) -> str | int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{place}: label {value!r}, expected a whole number or a name")
    return value


def _open(file: Path | io.BytesIO, place: str) -> Image:
    """Decoded at once, so that no file stays open."""
    from PIL import Image

    try:
        with Image.open(file) as picture:
            picture.load()
            return picture
    except Exception as error:  # Pillow's readers fail in many ways; all mean the same here
        raise DataError(f"{place} cannot be read as a picture: {error}. Replace it or take it out.") from error
