"""Test splits of other tasks with the same classes, for a model that was trained on one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from swarmformer.data.classes import own_classes
from swarmformer.data.encoded import OtherTest
from swarmformer.data.encoding import load_test, texts_key
from swarmformer.data.leakage import EMPTY, fingerprints, written_by
from swarmformer.data.task import RawSplit, Task


def load_out_of_domain(
    task: Task, others: Mapping[str, Task], *, tokenizer: str, **encoding: Any
) -> dict[str, OtherTest]:
    """The test split of each other task by name, encoded as the run's texts are, its labels in the run's classes.

    Args:
        encoding: length and cut, as for ``load_test``.

    Raises:
        DataError: as ``load_test``.
    """
    found = {}
    for name, other in others.items():
        split = load_test(other, tokenizer=tokenizer, **encoding)
        labels = own_classes(other, task.class_names, name)[split.labels]
        found[name] = OtherTest(replace(split, labels=labels), texts_key(other, tokenizer))
    return found


def copies_of(task: Task, split: RawSplit) -> int:
    """How many texts of another task's split also stand in the source's train, after normalisation."""
    writing = written_by(task)
    known, found = (fingerprints(one.texts, writing) for one in (task.load()["train"], split))
    return int(np.isin(found, known[known != EMPTY]).sum())


def raw_out_of_domain(task: Task, others: Mapping[str, Task]) -> dict[str, RawSplit]:
    """The same as texts."""
    raw = {name: other.load()["test"] for name, other in others.items()}
    return {
        name: replace(split, labels=own_classes(others[name], task.class_names, name)[np.asarray(split.labels)])
        for name, split in raw.items()
    }
