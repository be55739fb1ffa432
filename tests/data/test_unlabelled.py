"""Texts without labels: none that a split of the task has, encoded once, and no part of what runs are compared by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer.data.encoding import load_encoded
from swarmformer.data.leakage import normalised
from swarmformer.data.split import load_splits
from swarmformer.data.task import RawSplit
from swarmformer.data.tokenizer import load_tokenizer
from swarmformer.data.unlabelled import load_unlabelled
from swarmformer.errors import DataError
from tests.data.toy_tasks import Toy

OPTIONS: dict[str, Any] = {"tokenizer": "bert", "seq_len": 32}
DRAW: dict[str, Any] = {"validation_fraction": 0.2, "split_seed": 0}


class Spare(Toy):
    """Every text of the splits again, as it is and in other writing, among others."""

    has_unlabelled = True

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        texts = [text for split in self.splits.values() for text in split.texts]
        self.spare = [*texts, *(f"  {text.upper()} ! " for text in texts), "film film", "bad", "", "A film s"]

    def unlabelled(self) -> RawSplit:
        self.asked += 1
        names = [f"spare/{row}" for row in range(len(self.spare))]
        return RawSplit(self.spare, np.full(len(self.spare), -1), names)

    def unlabelled_identity(self) -> dict[str, Any]:
        return {"spare": self.spare}


def test_no_text_of_a_split_is_among_them(cache: Path, vocabulary: Path) -> None:
    task = Spare()
    found = load_unlabelled(task, **OPTIONS)
    assert found.split.names.tolist() == [f"spare/{row}" for row in range(len(task.spare) - 4, len(task.spare)) if
                                          task.spare[row]]  # fmt: skip
    assert set(found.split.labels.tolist()) == {-1}
    held_out = {normalised(text) for split in load_splits(task, **DRAW).values() for text in split.texts}
    kept = [task.spare[int(name.split("/")[1])] for name in found.split.names]
    assert not {normalised(text) for text in kept} & held_out
    assert found.copies == sum(normalised(text) in held_out - {""} for text in task.spare)
    tokenizer = load_tokenizer("bert")
    for row, text in enumerate(kept):
        assert found.split.example(row).tolist() == tokenizer.encode(text).ids


def test_no_encoded_text_of_validation_or_test_is_trained_on_in_any_track(cache: Path, vocabulary: Path) -> None:
    data, found = load_encoded(Spare(), **OPTIONS, **DRAW), load_unlabelled(Spare(), **OPTIONS)
    rows = {name: {tuple(part.example(row)) for row in range(len(part))} for name, part in data.splits.items()}
    rows["unlabelled"] = {tuple(found.split.example(row)) for row in range(len(found.split))}
    assert all(rows.values())
    for trained_on in ("train", "unlabelled"):
        assert not rows[trained_on] & (rows["validation"] | rows["test"])


def test_they_are_encoded_once_for_each_length_and_source(cache: Path, vocabulary: Path) -> None:
    task = Spare()
    first, again = load_unlabelled(task, **OPTIONS), load_unlabelled(task, **OPTIONS)
    assert task.asked == 1 and first.key == again.key and np.array_equal(first.split.ids, again.split.ids)
    assert load_unlabelled(task, **{**OPTIONS, "seq_len": 3}).key != first.key
    task.spare = [*task.spare, "good"]
    assert load_unlabelled(task, **OPTIONS).key != first.key and task.asked == 3


def test_special_tokens_are_known_from_the_cache(cache: Path, vocabulary: Path) -> None:
    for _ in range(2):
        data = load_encoded(Toy(), **OPTIONS, **DRAW)
        assert (data.special, data.mask_id, data.pad_id) == ((0, 2, 3, 4), 4, 0)


def test_splits_are_joined_in_order(cache: Path, vocabulary: Path) -> None:
    data = replace(load_encoded(Toy(), **OPTIONS, **DRAW), unlabelled=load_unlabelled(Spare(), **OPTIONS))
    parts, joined = [data.named(name) for name in ("train", "unlabelled")], data.named("train+unlabelled")
    assert joined.names.tolist() == [name for part in parts for name in part.names]
    assert [joined.example(row).tolist() for row in range(len(joined))] == [
        part.example(row).tolist() for part in parts for row in range(len(part))
    ]
    assert data.named("train") is parts[0]


@pytest.mark.parametrize("asked", [Toy().unlabelled, Toy().unlabelled_identity])
def test_a_task_without_any_says_so(asked: Callable[[], Any]) -> None:
    with pytest.raises(DataError, match="has no texts without labels: pretrain on its training texts"):
        asked()


def test_all_copies_is_refused(cache: Path, vocabulary: Path) -> None:
    task = Spare()
    task.spare = task.splits["train"].texts[:3]
    with pytest.raises(DataError, match="all 3 texts without labels are empty or stand in a split"):
        load_unlabelled(task, **OPTIONS)
