"""A task's texts without labels, for pretraining: none that stands in one of its splits, encoded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from filelock import FileLock

from swarmformer.data.array_store import read_arrays, write_arrays
from swarmformer.data.cut import Cut, Where
from swarmformer.data.encoded import Split, Unlabelled
from swarmformer.data.encoding import encoder, folder_of, identity_of
from swarmformer.data.files import json_hash
from swarmformer.data.leakage import EMPTY, fingerprint, written_by
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError

NO_LABEL = -1
"""Class of a text without one: what would learn it fails."""


def load_unlabelled(
    task: Task, *, tokenizer: str, seq_len: int, cut: Where = "head", cut_share: float = 0.25
) -> Unlabelled:
    """The texts without labels of a task, from the cache where they are there.

    A text that also stands in train, validation or test, exactly or but for its writing, is left out, and so is an
    empty one. How validation is cut out of train does not matter.

    Args:
        tokenizer, seq_len, cut, cut_share: as for ``load_encoded``.

    Raises:
        DataError: the task has none, or they are missing or malformed.
    """
    whole = Cut(seq_len, cut, cut_share)
    identity = {**identity_of(task, tokenizer), **whole.identity(), "unlabelled": task.unlabelled_identity()}
    key = json_hash(identity)
    folder = folder_of(task, key, "unlabelled")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.exists():
                kept, copies = without_copies(task.unlabelled(), task.load(), task)
                tokens = encoder(task, tokenizer, whole)[0](kept)
                arrays = {"ids": tokens.ids, "offsets": tokens.offsets, "names": np.array(kept.ids)}
                facts = {"key": key, "identity": identity, "copies": copies, "truncated": tokens.truncated}
                write_arrays(folder, arrays, facts)
    return _read(folder, key)


def _read(folder: Path, key: str) -> Unlabelled:
    arrays, facts = read_arrays(folder)
    labels = np.full(len(arrays["names"]), NO_LABEL, dtype=np.int64)
    split = Split(arrays["ids"], arrays["offsets"], labels, arrays["names"], facts["truncated"])
    return Unlabelled(split, facts["copies"], key)


def without_copies(texts: RawSplit, splits: dict[str, RawSplit], task: Task) -> tuple[RawSplit, int]:
    """Those that stand in none of the splits and are not empty; and how many stand in one.

    Raises:
        DataError: none is left.
    """
    writing = written_by(task)
    known = {fingerprint(writing(text)) for split in splits.values() for text in split.texts} - {EMPTY}
    marks = [fingerprint(writing(text)) for text in texts.texts]
    kept = np.array([row for row, mark in enumerate(marks) if mark not in known and mark != EMPTY], dtype=np.int64)
    if not kept.size:
        raise DataError(f"all {len(texts)} texts without labels are empty or stand in a split of the task: use its own")
    return texts.take(kept), sum(mark in known for mark in marks)
