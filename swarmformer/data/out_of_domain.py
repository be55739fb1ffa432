"""Test splits of other tasks with the same classes, for a model that was trained on one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from swarmformer.data.classes import own_classes
from swarmformer.data.draw import USUAL_SHARE
from swarmformer.data.encoded import Split
from swarmformer.data.encoding import load_encoded
from swarmformer.data.leakage import EMPTY, fingerprints, written_by
from swarmformer.data.task import RawSplit, Task

DRAW: dict[str, Any] = {"validation_fraction": USUAL_SHARE, "split_seed": 0}
"""How validation is cut off where no run tells: as ``data`` does by default. Test does not depend on it."""


def load_out_of_domain(task: Task, others: Mapping[str, Task], **encoding: Any) -> dict[str, Split]:
    """The test split of each other task by name, encoded as the run's texts are, its labels in the run's classes.

    Args:
        encoding: tokenizer, length and cut, as for ``load_encoded``.

    Raises:
        DataError: as ``load_encoded``.
    """
    found = {name: load_encoded(other, **encoding, **DRAW).splits["test"] for name, other in others.items()}
    return {
        name: replace(split, labels=own_classes(others[name], task.class_names, name)[split.labels])
        for name, split in found.items()
    }


def copies_of(train: RawSplit, split: RawSplit, task: Task) -> int:
    """How many texts of another task's split stand in training too, after normalisation."""
    writing = written_by(task)
    known, found = (fingerprints(one.texts, writing) for one in (train, split))
    return int(np.isin(found, known[known != EMPTY]).sum())


def raw_out_of_domain(task: Task, others: Mapping[str, Task]) -> dict[str, RawSplit]:
    """The same as texts."""
    raw = {name: other.load()["test"] for name, other in others.items()}
    return {
        name: replace(split, labels=own_classes(others[name], task.class_names, name)[np.asarray(split.labels)])
        for name, split in raw.items()
    }
