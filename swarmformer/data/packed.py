"""Columns of many examples that take no more memory than they must: packed texts, names by number, growing arrays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

import numpy as np

from swarmformer.settings import cache_dir

LARGEST = 1 << 28
"""Bytes of an array that stay in memory while it grows: 256 MiB."""
BUFFER = 4096
"""Texts that are packed at once."""
T = TypeVar("T")


class Spool:
    """An array that grows at its end: in memory until it is large, from then on in a file without a name.

    That file lies in the cache, and the system frees it when nobody maps it any more.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.parts: list[np.ndarray] = []
        self.held = self.size = 0
        self.file: Any = None

    def add(self, values: np.ndarray) -> None:
        """Append values [n]."""
        self.parts.append(values.astype(self.dtype, copy=False))
        self.held += values.size * self.dtype.itemsize
        self.size += values.size
        if self.held > LARGEST:
            self._write()

    def _write(self) -> None:
        if self.file is None:
            cache_dir().mkdir(parents=True, exist_ok=True)
            self.file = tempfile.TemporaryFile(dir=cache_dir())  # noqa: SIM115 - lives as long as its array
        for part in self.parts:
            part.tofile(self.file)
        self.parts, self.held = [], 0

    def array(self) -> np.ndarray:
        """All that was added [size]: an array, or one that is mapped from the file."""
        if self.file is None:
            return np.concatenate(self.parts) if self.parts else np.empty(0, self.dtype)
        self._write()
        self.file.flush()
        return np.memmap(self.file, self.dtype, mode="r", shape=(self.size,))


class _Column(Sequence[str]):
    """What packed columns have in common: rows to choose from, and equality with any sequence of the same values."""

    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._value(row) for row in self.rows[index].tolist()]
        return self._value(int(self.rows[index]))

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BUFFER):
            yield from self[start : start + BUFFER]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _value(self, row: int) -> str:
        raise NotImplementedError


class Texts(_Column):
    """Texts as UTF-8, one after another; read as if they were a list.

    Args:
        data: uint8, all texts. offsets: int64 [n + 1]. rows: which of them, and in which order; all unless given.
    """

    def __init__(self, data: np.ndarray, offsets: np.ndarray, rows: np.ndarray | None = None) -> None:
        self.data, self.offsets = data, offsets
        self.rows = np.arange(len(offsets) - 1) if rows is None else rows

    def _value(self, row: int) -> str:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def take(self, rows: np.ndarray) -> Texts:
        return Texts(self.data, self.offsets, self.rows[rows])


class Names(_Column):
    """The names of examples by number: ``train/0``, ``train/1`` …"""

    def __init__(self, prefix: str, rows: np.ndarray) -> None:
        self.prefix, self.rows = prefix, rows

    def _value(self, row: int) -> str:
        return f"{self.prefix}/{row}"

    def take(self, rows: np.ndarray) -> Names:
        return Names(self.prefix, self.rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        longest = len(f"{self.prefix}/{self.rows.max(initial=0)}")
        names = np.empty(len(self), dtype or f"U{longest}")
        for start in range(0, len(self), BUFFER):
            names[start : start + BUFFER] = self[start : start + BUFFER]
        return names


class Packing:
    """Texts that are added one by one."""

    def __init__(self) -> None:
        self.data, self.lengths = Spool(np.uint8), Spool(np.int64)
        self.waiting: list[bytes] = []

    def add(self, text: str) -> None:
        self.waiting.append(text.encode())
        if len(self.waiting) == BUFFER:
            self._pack()

    def _pack(self) -> None:
        self.data.add(np.frombuffer(b"".join(self.waiting), np.uint8))
        self.lengths.add(np.array([len(text) for text in self.waiting], np.int64))
        self.waiting = []

    def texts(self) -> Texts:
        self._pack()
        return Texts(self.data.array(), offsets_of(self.lengths.array()))


def offsets_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where each of values laid one after another begins, and where the last ends, int64 [n + 1]."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def taken(values: Sequence[str], rows: np.ndarray) -> Sequence[str]:
    """The values at ``rows``, in that order, packed where they were."""
    return values.take(rows) if isinstance(values, Texts | Names) else [values[row] for row in rows]


def are_distinct(values: Iterable[str]) -> bool:
    """Whether no value comes twice."""
    if isinstance(values, Names):
        return len(np.unique(values.rows)) == len(values)
    known = list(values)
    return len(set(known)) == len(known)
