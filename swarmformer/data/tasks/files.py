"""Your own texts: any CSV, JSONL or parquet file with a column of texts and one of labels."""

from __future__ import annotations

import logging
import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from swarmformer.data.files import file_hash
from swarmformer.data.tables import read_rows
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError
from swarmformer.registry import register

logger = logging.getLogger("swarmformer.data")


@register("task", "files")
class Files(Task):
    """Texts and labels from files of your own (.csv, .jsonl, .parquet), one class for each label in ``train``.

    Labels are text, whole numbers or true/false; the classes are those in ``train``, in order (by value where
    all are whole numbers). Without ``validation``, ``data.validation_fraction`` of train is cut off for it; a
    ``test`` file is needed, because a test set should be chosen once, by you, and never change with a seed.

    Args:
        train, validation, test: paths, relative to the current folder; ``~`` and ``$SWARMFORMER_DATA/…`` are
            understood. What counts as the data's identity is the content, not the path.
        text, label: names of the columns.
        group: column of what must not be on both sides of the validation cut (author, film …); "" for none.
    """

    def __init__(
        self,
        *,
        train: str = "",
        validation: str = "",
        test: str = "",
        text: str = "text",
        label: str = "label",
        group: str = "",
    ) -> None:
        self.named = {"train": train, "validation": validation, "test": test}
        self.text, self.label, self.group = text, label, group

    @cached_property
    def paths(self) -> dict[str, Path]:
        """The files by split.

        Raises:
            DataError: train or test is not named, or a file is not there.
        """
        for split in ("train", "test"):
            if not self.named[split]:
                raise DataError(f"task files: data.task.{split} must name a .csv, .jsonl or .parquet file")
        paths = {split: Path(os.path.expandvars(name)).expanduser() for split, name in self.named.items() if name}
        for split, path in paths.items():
            if not path.is_file():
                raise DataError(f"task files: {split}: {path} not found (looked in {Path.cwd()})")
        return paths

    @cached_property
    def num_classes(self) -> int:  # type: ignore[override]
        """How many labels ``train`` has; reads the file once for each change of it."""
        return len(self.classes)

    @cached_property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The labels, index = class."""
        path = self.paths["train"]
        status = path.stat()
        return _classes(path, self.label, status.st_size, status.st_mtime_ns)

    def identity(self) -> dict[str, Any]:
        """Column names and the hashes of all files."""
        columns = {"text": self.text, "label": self.label, "group": self.group}
        return {**columns, "files": {split: file_hash(path) for split, path in self.paths.items()}}

    def load(self) -> dict[str, RawSplit]:
        splits = {split: self._split(split, path) for split, path in self.paths.items()}
        _warn_of_copies(splits)
        return splits

    def _split(self, name: str, path: Path) -> RawSplit:
        columns = [self.text, self.label, *([self.group] if self.group else [])]
        texts: list[str] = []
        labels: list[int] = []
        groups: list[str] = []
        for place, (text, label, *group) in read_rows(path, columns):
            if not isinstance(text, str):
                raise DataError(f"{place}: {self.text} is {text!r}, expected text")
            texts.append(text)
            labels.append(self._class(label, place))
            groups += [_name(value, place, self.group) for value in group]
        ids = [f"{name}/{row}" for row in range(len(texts))]
        return RawSplit(texts, np.array(labels, dtype=np.int64), ids, groups if self.group else None)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.classes)}

    def _class(self, label: Any, place: str) -> int:
        name = _name(label, place, self.label)
        if name not in self._index:
            known = ", ".join(self.classes[:20]) + (", …" if len(self.classes) > 20 else "")
            raise DataError(f"{place}: label {name!r} does not occur in {self.paths['train']}, which has: {known}")
        return self._index[name]


@lru_cache(maxsize=32)
def _classes(path: Path, column: str, size: int, changed_ns: int) -> tuple[str, ...]:
    """The labels of a file in order; size and time of change are there to notice another content."""
    found = {_name(value, place, column) for place, (value,) in read_rows(path, [column])}
    if len(found) < 2:
        raise DataError(f"{path}: column {column} has {len(found)} different labels; at least 2 are needed")
    try:
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    except ValueError:
        return tuple(sorted(found))


def _name(value: Any, place: str, column: str) -> str:
    """A label or group as text: 1 is the same in CSV and JSON, and so is true."""
    name = str(value).lower() if isinstance(value, bool) else str(value).strip()
    if not isinstance(value, str | int) or not name:
        raise DataError(f"{place}: {column} is {value!r}, expected text, a whole number or true/false")
    return name


def _warn_of_copies(splits: dict[str, RawSplit]) -> None:
    seen = set(splits["train"].texts)
    for name in splits.keys() - {"train"}:
        copies = sum(text in seen for text in splits[name].texts)
        if copies:
            logger.warning("%d of %d texts in %s are also in train", copies, len(splits[name]), name)
