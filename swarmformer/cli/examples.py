"""Labelled examples for ``swarmformer evaluate``: from a file, or a task; and what a run answered to them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from yaml import YAMLError

from swarmformer.data.answers import read_texts
from swarmformer.data.classes import label_of, own_classes, some_of
from swarmformer.data.delimited import Columns, Form
from swarmformer.data.draw import USUAL_SHARE
from swarmformer.data.files import json_hash
from swarmformer.data.split import load_only_test, load_splits
from swarmformer.data.tables import READERS
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, SpecError, UsageError, suggest
from swarmformer.hub.config import Origin
from swarmformer.hub.source import KEPT, weights_file
from swarmformer.merge import given_once
from swarmformer.records import Predictions, read_predictions
from swarmformer.spec import ComponentSpec, nowhere
from swarmformer.yaml import safe_load

if TYPE_CHECKING:
    from swarmformer.pipeline import TextClassifier


logger = logging.getLogger("swarmformer.cli")

DRAW: dict[str, Any] = {"validation_fraction": USUAL_SHARE, "split_seed": 0}
"""How validation is cut off a task that the model was not trained on: as ``data`` does by default."""


class Example(NamedTuple):
    """``name``: of the example in its split, or where it stands in a file."""

    name: str
    text: str
    label: int


class Asked(NamedTuple):
    """``own_names``: the names are those of a task, which a random cut is drawn from. ``names``: all of them, where
    it is known beforehand. ``files``: what a task of own files reads."""

    words: str
    examples: Iterator[Example]
    own_names: bool = False
    names: Sequence[str] = ()
    files: Sequence[Path] = ()


def of_file(
    model: TextClassifier, path: Path, text: str | None, label: str | None, form: Form | None = None
) -> Asked:
    """The rows of a table, as they are needed, by the columns that it names, or ``text`` and ``label``; ``form``: how
    it is written, where that is not to be found.

    Raises:
        DataError: unreadable, a column that is missing, or a label that the model does not know; says where.
    """
    text, label = text or "text", label or "label"
    if path.suffix.lower() not in READERS:
        raise DataError(f"{path}: lines of text have no labels; give a file ({', '.join(READERS)}) with columns {text} "
                        f"and {label}")  # fmt: skip
    index = _index_of(model.classes)

    def rows() -> Iterator[Example]:
        for place, values in read_texts(path, Columns((text, label), ("--text", "--label")), form):
            yield Example(place, values[text], _label(values[label], index, place, label))

    return Asked(str(path), rows())


def _index_of(classes: Sequence[str]) -> dict[str, int]:
    """Class by name; and by its number, where no name is one, however it is written: 1 may be meant for 1.0."""
    named = {name: index for index, name in enumerate(classes)}
    if any(re.fullmatch(r"[-+]?\d+([.,]\d+)?", name) for name in classes):
        return named
    return {**{str(index): index for index in range(len(classes))}, **named}


def _label(value: Any, index: dict[str, int], place: str, column: str) -> int:
    """The class of a label, read as task ``files`` reads it."""
    name = label_of(value, place, column)
    if name not in index:
        raise DataError(f"{place}: {column!r} is {value!r}, which is no class of the model.{suggest(name, index)} "
                        f"It knows: {some_of(list(index))}")  # fmt: skip
    return index[name]


def of_task(model: TextClassifier, words: Sequence[str] | None, split: str | None, trust_code: bool) -> Asked:
    """A split of a task, test unless another is named; without ``words`` (its name, and options as KEY=VALUE) of that
    of the model's run.

    Raises:
        UsageError: the model has no task, or words that cannot be read.
        SpecError, DataError: a task that is not there, or asks for other classes than the model's.
    """
    own, split = model.complete.task, split or "test"
    if not words and own is not None and ":" in str(own["name"]) and not trust_code:
        raise SpecError(f"the model's task is code of its own ({own['name']}), which is not imported unasked: pass "
                        "--trust-code where you trust it")  # fmt: skip
    spec = task_spec(words, own)
    task: Task = spec.make()
    classes_K = own_classes(task, model.classes, spec.name)
    same = spec.to_dict() == own
    found = _split(task, spec.name, split, model.complete.origin if same else None)
    named = zip(found.ids, found.texts, classes_K[np.asarray(found.labels)].tolist(), strict=True)
    examples = (Example(*one) for one in named)
    files = [path for paths in getattr(task, "paths", {}).values() for path in paths] if task.reads_own_files else []
    words, names = f"{split} of task {spec.name}", found.ids if same else ()
    return Asked(words, examples, own_names=True, names=names, files=files)


def task_spec(words: Sequence[str] | None, own: Mapping[str, Any] | None = None) -> ComponentSpec:
    """The task that a command line names, by its name and KEY=VALUE; a model's ``own`` where it names none.

    Raises:
        UsageError: neither is there, or words that cannot be read.
        SpecError: a task that is not there.
    """
    chosen = _chosen(words) if words else own
    if chosen is None:
        raise UsageError("this model does not say what it was trained on: name a FILE or a --task")
    return ComponentSpec.from_dict("task", dict(chosen), ("task",), nowhere)


def _split(task: Task, name: str, split: str, origin: Origin | None) -> RawSplit:
    """A split of a task, drawn as the run drew it that ``origin`` tells of, where that trained on this very task; with
    a warning where the task's files have changed since."""
    if origin is None:
        return load_only_test(task) if split == "test" else load_splits(task, **DRAW)[split]
    if split != "train" and task.reads_own_files and origin.task_hash != json_hash(task.identity()):
        logger.warning(
            "the files of task %s have changed since the model was trained: texts that it learned from may be in %s "
            "now, and the figures too good; evaluate a FILE of texts that are new to it", name, split,
        )  # fmt: skip
    return load_splits(task, **origin.draw)[split]


def _chosen(words: Sequence[str]) -> dict[str, Any]:
    """A task by its name and KEY=VALUE, as a mapping.

    Raises:
        UsageError: words that are neither, or a value that is no YAML.
        SpecError: a key twice.
    """
    options = [word.partition("=") for word in words[1:]]
    if any(not sign for _, sign, _ in options):
        raise UsageError(f"--task {' '.join(words)}: options of a task are KEY=VALUE")
    try:
        given = given_once(((key, value) for key, _, value in options), f"--task {words[0]}")
        return {"name": words[0], **{key: safe_load(value) for key, value in given.items()}}
    except YAMLError as error:
        problem = getattr(error, "problem", None) or "cannot be read"
        raise UsageError(f"--task {' '.join(words)}: not YAML: {problem}; put text into quotes") from error


class Stored:
    """The predictions of the run that a model comes from, held against what it answers now."""

    def __init__(self, predictions: Predictions) -> None:
        self.predictions, self.place, self.other, self.most = predictions, 0, 0, 0.0

    @classmethod
    def of(cls, source: str, asked: Asked, split: str | None) -> Stored | None:
        """Where the model lies in the folder of its run, and just the run's test split is asked."""
        if split not in (None, "test") or not asked.names or not Path(source).exists():
            return None
        kept = weights_file(source).parent
        predictions = read_predictions(kept.parent) if kept.name == KEPT else None
        if predictions is None or list(predictions.names) != list(asked.names):
            return None
        return cls(predictions)

    def compare(self, logits_K: np.ndarray) -> None:
        """The next example."""
        stored_K = self.predictions.logits_NK[self.place]
        self.place += 1
        self.other += int(stored_K.argmax() != logits_K.argmax())
        self.most = max(self.most, float(np.abs(stored_K - logits_K).max()))

    def words(self) -> str:
        same = self.place - self.other
        return (f"the run's stored predictions: {same:,} of {self.place:,} answers are the same, logits differ by "
                f"{self.most:.2g} at most")  # fmt: skip
