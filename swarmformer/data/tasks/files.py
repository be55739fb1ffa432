"""Your own texts: any CSV, JSONL or parquet files with a column of texts and one of labels."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from swarmformer.data.classes import Classes, find_classes, label_of, some_of
from swarmformer.data.delimited import Columns, Form, Row, form_of, form_said
from swarmformer.data.draw import drawn
from swarmformer.data.files import file_hash
from swarmformer.data.locate import located
from swarmformer.data.packed import Names, Packing
from swarmformer.data.tables import READERS, read_rows
from swarmformer.data.task import RawSplit, Task
from swarmformer.data.tasks.files_copies import kept_together, warn_of_copies
from swarmformer.errors import DataError, SpecError, listed, suggest
from swarmformer.registry import list_components, register

ENDINGS = ", ".join(READERS)
UNLABELLED = "unlabelled"
TEST_SEED = 0
"""The test split that is set aside is the same in every run, whatever their seeds are."""
State = tuple[tuple[Path, int, int], ...]
"""Files with their size and time of change, which are there to notice another content."""


@register("task", "files")
class Files(Task):
    """Texts and labels from files of your own (.csv, .tsv, .jsonl, .parquet), one class for each label in ``train``.

    Labels are text, whole numbers or true/false; the classes are those in ``train``, in order (by value where
    all are whole numbers). Without ``validation``, ``data.validation_fraction`` of train is cut off for it. The test
    split should be chosen once, by you: as files, or as a share of train that is set aside, the same in every run.

    Args:
        train, validation, test: each a path, a folder, a pattern (``texts/*.csv``) or a list of these, relative to the
            current folder; ``~`` and ``$SWARMFORMER_DATA/…`` are understood. What counts as the data's identity is the
            content, not the path.
        unlabelled: the same for texts without labels, for stages that pretrain.
        text, label: names of the columns.
        group: column of what must not be on both sides of a cut (author, film …); "" for none.
        test_fraction: without ``test``, the share of train to set aside as test: of each class the same share, groups
            and copies of one text on one side.
        delimiter, encoding: of CSV and JSONL, for all files; "" for what is found in each.
        quote: what may stand around a field of CSV; "" where quotes are characters like others.
        title: what reports call this task; changes no run's key.
    """

    OUTSIDE_KEY = frozenset({"title"})
    reads_own_files = True

    def __init__(
        self,
        *,
        train: str | list[str] = "",
        validation: str | list[str] = "",
        test: str | list[str] = "",
        unlabelled: str | list[str] = "",
        text: str = "text",
        label: str = "label",
        group: str = "",
        test_fraction: float = 0.0,
        delimiter: str = "",
        encoding: str = "",
        quote: str = '"',
        title: str = "",
    ) -> None:
        self.named = {"train": train, "validation": validation, "test": test}
        self.spare, self.has_unlabelled = unlabelled, bool(unlabelled)
        self.text, self.label, self.group = text, label, group
        self.test_fraction, self.title = test_fraction, title
        try:
            self.form = form_said(encoding, delimiter, quote)
        except SpecError as error:
            raise SpecError(f"task files: {error}", path=_path(*(error.path or ()))) from error
        self._check()

    def _check(self) -> None:
        if self.title and (not self.title.isprintable() or self.title in {one.name for one in list_components("task")}):
            raise SpecError(f"task files: title {self.title!r} must be one line, and no name of a task",
                            path=_path("title"))  # fmt: skip
        if not 0 <= self.test_fraction < 1:
            raise SpecError(f"task files: test_fraction must be from 0 to below 1, got {self.test_fraction}",
                            path=_path("test_fraction"))  # fmt: skip
        if self.test_fraction and self.named["test"]:
            raise SpecError("task files: test names files, so test_fraction must be 0", path=_path("test_fraction"))
        names = [name.strip() for name in (self.text, self.label, self.group) if name]
        if len(set(names)) < len(names):
            raise SpecError(f"task files: text, label and group must be different columns, not {', '.join(names)}",
                            path=_path("text"))  # fmt: skip

    @cached_property
    def paths(self) -> dict[str, tuple[Path, ...]]:
        """The files by split.

        Raises:
            DataError: train or test is not named, or a file is not there.
        """
        if not self.named["train"]:
            raise DataError(f"task files: data.task.train must name a file ({ENDINGS}), a folder of them or a pattern")
        if not self.named["test"] and not self.test_fraction:
            raise DataError("task files: data.task.test must name a file, or data.task.test_fraction must say what "
                            "share of train is set aside for it")  # fmt: skip
        return {split: located(name, f"data.task.{split}") for split, name in self.named.items() if name}

    @cached_property
    def num_classes(self) -> int:  # type: ignore[override]
        """How many labels ``train`` has; reads the files once for each change of them."""
        return len(self.classes)

    @cached_property
    def classes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The labels, index = class."""
        return self._classes.names

    @property
    def _classes(self) -> Classes:
        return _classes(_state(self.paths["train"]), self.label, self.form)

    def identity(self) -> dict[str, Any]:
        """Column names and the hashes of all files; and what of their form is not UTF-8 with commas.

        Raises:
            DataError: a file is not there or lacks a column, which its first row tells.
        """
        for path in chain.from_iterable(self.paths.values()):
            next(_rows([path], self._columns, self.form), None)
        columns = {"text": self.text, "label": self.label, "group": self.group}
        hashes = {split: _hashes(paths) for split, paths in self.paths.items()}
        forms = {split: [form.departures() for form in self._forms(split)] for split in self.paths}
        beside = {
            "read": {split: found for split, found in forms.items() if any(found)},
            "quote": self.form.quote if self.form.quote != Form().quote else None,
            "test_fraction": self.test_fraction,
            "test_of": "groups joined by copies" if self.test_fraction and self.group else None,
            "classes": list(self.classes) if self._classes.rewritten else None,
        }
        given = {key: value for key, value in beside.items() if value not in (None, 0, {})}
        return {**columns, "files": hashes, **given}

    def sources(self) -> dict[str, str]:
        """``{"train": "reviews.csv (cp1252, ';')"}`` and so on."""
        named = {
            split: [f"{path.name}{_words(path, form)}" for path, form in zip(paths, self._forms(split), strict=True)]
            for split, paths in self.paths.items()
        }
        return {split: listed(words, most=3) for split, words in named.items()}

    def _forms(self, split: str) -> list[Form]:
        return [form_of(path, self._columns, self.form) for path in self.paths[split]]

    @cached_property
    def _columns(self) -> Columns:
        named = {"text": self.text, "label": self.label, "group": self.group}
        asked = {f"data.task.{key}": name for key, name in named.items() if name}
        return Columns(tuple(asked.values()), tuple(asked))

    def load(self) -> dict[str, RawSplit]:
        splits = {split: self._split(split, paths) for split, paths in self.paths.items()}
        if "test" not in splits:
            splits |= self._with_test(splits["train"])
        warn_of_copies(splits)
        return splits

    def _with_test(self, train: RawSplit) -> dict[str, RawSplit]:
        """Train without the share that is set aside as test."""
        groups = kept_together(train)
        rng = np.random.default_rng(TEST_SEED)
        chosen = drawn(train, self.test_fraction, rng, groups=groups, stratify=True)
        if not chosen.any() or chosen.all():
            share, most = f"test_fraction {self.test_fraction} of {len(train)}", np.bincount(groups).max()
            joined = f", of which {most} stay together as they share a {self.group!r} or a text," if self.group else ""
            raise DataError(f"task files: data.task.{share} examples{joined} leaves train or test empty; change it, or "
                            "name files for data.task.test")  # fmt: skip
        rows = np.flatnonzero(chosen)
        test = replace(train.take(rows), ids=Names("test", rows))
        return {"train": train.take(np.flatnonzero(~chosen)), "test": test}

    def _split(self, name: str, paths: Sequence[Path]) -> RawSplit:
        texts, labels, groups = Packing(), array("q"), list[str]()
        for place, (text, label, *group) in _rows(paths, self._columns, self.form):
            texts.add(_text(text, place, self.text))
            labels.append(self._class(label, place))
            groups += [sys.intern(label_of(value, place, self.group)) for value in group]
        ids = Names(name, np.arange(len(labels)))
        return RawSplit(texts.texts(), np.array(labels, dtype=np.int64), ids, groups if self.group else None)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {label: index for index, label in enumerate(self.classes)}

    def _class(self, label: Any, place: str) -> int:
        name = label_of(label, place, self.label)
        if name not in self._index:
            train, near = listed(self.paths["train"], most=3), suggest(name, self.classes)
            raise DataError(f"{place}: label {name!r} does not occur in train ({train}), which has: "
                            f"{some_of(self.classes)}.{near} Correct it, or give train examples of it")  # fmt: skip
        return self._index[name]

    def unlabelled(self) -> RawSplit:
        """The texts of ``unlabelled``."""
        texts = Packing()
        for place, (text,) in _rows(self._spare, self._text_column, self.form):
            texts.add(_text(text, place, self.text))
        packed = texts.texts()
        rows = np.arange(len(packed))
        return RawSplit(packed, np.full(len(rows), -1, dtype=np.int64), Names(UNLABELLED, rows))

    def unlabelled_identity(self) -> dict[str, Any]:
        """The hashes of their files; and what of their form is not UTF-8 with commas."""
        forms = [form_of(path, self._text_column, self.form).departures() for path in self._spare]
        return {"files": _hashes(self._spare), **({"read": forms} if any(forms) else {})}

    @property
    def _spare(self) -> tuple[Path, ...]:
        if not self.has_unlabelled:
            raise DataError("task files: data.task.unlabelled must name the texts without labels")
        return located(self.spare, "data.task.unlabelled")

    @property
    def _text_column(self) -> Columns:
        return Columns((self.text,), ("data.task.text",))


def _path(*key: str) -> tuple[str, ...]:
    return ("data", "task", *key)


def _rows(paths: Sequence[Path], columns: Columns, form: Form) -> Iterator[Row]:
    for path in paths:
        yield from read_rows(path, columns, form)


def _text(value: Any, place: str, column: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{place}: {column!r} is {value!r}, expected text; mend the row or leave it out")
    return value


def _hashes(paths: Sequence[Path]) -> str | list[str]:
    found = [file_hash(path) for path in paths]
    return found[0] if len(found) == 1 else found


def _words(path: Path, form: Form) -> str:
    found = [form.encoding, *([repr(form.delimiter)] if path.suffix.lower() not in (".jsonl", ".parquet") else [])]
    return "" if path.suffix.lower() == ".parquet" else f" ({', '.join(found)})"


def _state(paths: Sequence[Path]) -> State:
    return tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths)


@lru_cache(maxsize=32)
def _classes(state: State, column: str, form: Form) -> Classes:
    paths = [path for path, *_ in state]
    labels = _rows(paths, Columns((column,), ("data.task.label",)), form)
    return find_classes(((place, value) for place, (value,) in labels), column, listed(paths, most=3))
