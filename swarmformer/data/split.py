"""Checking raw splits, and cutting a validation split that shares no group with training."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from swarmformer.data.leakage import HeldOut
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError

logger = logging.getLogger("swarmformer.data")


def load_splits(
    task: Task, *, validation_fraction: float, split_seed: int, redrawn: bool = False, drop_copies: bool = False
) -> dict[str, RawSplit]:
    """Load a task as checked ``train``, ``validation`` and ``test``, in this order.

    A validation split of the source is kept as it is; else one is cut out of train.

    Args:
        redrawn: every run draws the cut anew; a source that has fixed it is refused.
        drop_copies: leave training texts out that also stand in validation or test, however they are written.

    Raises:
        DataError: malformed splits, a fraction that leaves one of them empty, training examples of one class alone;
            a split that cannot be drawn anew.
    """
    raw = task.load()
    if task.next_token:
        check_documents(raw)
    else:
        check_splits(raw, task.num_classes, per_token=task.per_token)
    train, validation = raw["train"], raw.get("validation")
    if validation is None:
        train, validation = cut_validation(train, validation_fraction, split_seed)
    elif redrawn:
        raise DataError("data.split_seed: run, but the task has a validation split of its own: nothing is drawn anew; "
                        "leave data.split_seed out")  # fmt: skip
    splits = {"train": train, "validation": validation, "test": raw["test"]}
    if not task.next_token:
        _check_classes(train)
    return without_copies(splits, task) if drop_copies else splits


def without_copies(splits: Mapping[str, RawSplit], task: Task) -> dict[str, RawSplit]:
    """The splits without those training texts that are, after normalisation, among validation or test.

    Raises:
        DataError: none is left, or training examples of one class alone.
    """
    train, held_out = splits["train"], HeldOut(splits, task)
    kept = np.array([row for row, text in enumerate(train.texts) if text not in held_out], dtype=np.int64)
    rest = train.take(kept)
    if not task.next_token:
        _check_classes(rest)
    elif not kept.size:
        raise DataError("every training document also stands in validation or test: nothing is left to train on")
    return {**splits, "train": rest}


def _check_classes(train: RawSplit) -> None:
    if len(np.unique(train.labels)) < 2:
        raise DataError("all training examples are of one class: nothing can be learnt; see data.task and its files")


def check_documents(splits: Mapping[str, RawSplit]) -> None:
    """Raise DataError, naming the split, where a task of documents broke its contract."""
    for name in ("train", "validation", "test"):
        if name not in splits:
            raise DataError(f"the task returned no {name!r} split, only: {', '.join(splits) or 'none'}")
    for name, split in splits.items():
        _check_columns(name, split)
        _check_texts(name, split)
        if not any(split.texts):
            raise DataError(f"split {name!r} has no text")


def check_splits(splits: Mapping[str, RawSplit], num_classes: int, *, per_token: bool = False) -> None:
    """Raise DataError, naming the split and the example, where a task broke its contract."""
    for required in ("train", "test"):
        if required not in splits:
            raise DataError(f"the task returned no {required!r} split, only: {', '.join(splits) or 'none'}")
    for name, split in splits.items():
        _check_questions(name, split, per_token)
        _check_columns(name, split)
        _check_labels(name, split, num_classes)
        _check_texts(name, split)


def _check_questions(name: str, split: RawSplit, per_token: bool) -> None:
    questions = split.questions
    if (questions is not None) != per_token:
        found, said = ("no questions", "per_token is True") if per_token else ("questions", "per_token is False")
        raise DataError(f"split {name!r} has {found}, but the task's {said}")
    if questions is None:
        return
    if len(questions) != len(split.texts) or len(questions.positions) != len(split.labels):
        raise DataError(
            f"split {name!r}: columns of different lengths: {len(split.texts)} texts, {len(questions)} texts with "
            f"questions; {len(questions.positions)} questions, {len(split.labels)} labels"
        )
    text, positions = questions.text, questions.positions
    unasked = np.flatnonzero(np.diff(questions.offsets) == 0)
    falling = text[1:][(np.diff(positions) <= 0) & (np.diff(text) == 0)]
    wrong = np.concatenate([unasked, falling, text[positions < 0]])
    if wrong.size:
        example = split.ids[int(wrong[0])]
        raise DataError(f"split {name!r}, example {example!r}: needs positions that rise from 0 or more, at least one")


def _check_columns(name: str, split: RawSplit) -> None:
    labels = {} if split.questions else {"labels": len(split.labels)}
    columns = {"texts": len(split.texts), **labels, "ids": len(split.ids)}
    if split.groups is not None:
        columns["groups"] = len(split.groups)
    if len(set(columns.values())) > 1:
        counts = ", ".join(f"{count} {column}" for column, count in columns.items())
        raise DataError(f"split {name!r}: columns of different lengths: {counts}")
    if not columns["texts"]:
        raise DataError(f"split {name!r} has no examples")
    if len(set(split.ids)) < len(split.ids):
        raise DataError(f"split {name!r}: example ids are not unique")


def _check_labels(name: str, split: RawSplit, num_classes: int) -> None:
    labels = np.asarray(split.labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"split {name!r}: labels must be a flat array of integers, not {labels.dtype}{labels.shape}")
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        first = int(wrong[0])
        row = first if split.questions is None else int(split.questions.text[first])
        raise DataError(
            f"split {name!r}, example {split.ids[row]!r}: label {labels[first]} is outside 0…{num_classes - 1} "
            f"({wrong.size} such examples)"
        )


def _check_texts(name: str, split: RawSplit) -> None:
    for text, example in zip(split.texts, split.ids, strict=True):
        if not isinstance(text, str):
            raise DataError(f"split {name!r}, example {example!r}: text is {type(text).__name__}, not str")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"split {name!r}, example {example!r}: no valid text: {error}") from error


def cut_validation(train: RawSplit, fraction: float, seed: int) -> tuple[RawSplit, RawSplit]:
    """Cut ``fraction`` of ``train`` off as validation; returns (rest, validation), both in train's order.

    Where groups exist, whole groups are drawn at random for as long as they fit into the fraction,
    so that no group is on both sides; else examples are drawn at random. The last examples of a class stay in training.
    """
    if not 0 < fraction < 1:
        raise DataError(f"validation_fraction must lie between 0 and 1, got {fraction}")
    if train.groups is None:
        logger.warning("the source names no groups (films, say): the validation split is of random examples")
    chosen = _choose_groups(train, round(fraction * len(train)), np.random.default_rng(seed))
    if not chosen.any() or chosen.all():
        raise DataError(
            f"validation_fraction {fraction} of {len(train)} examples leaves training or validation empty; "
            "change the fraction or use more examples"
        )
    return train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))


def _choose_groups(train: RawSplit, target: int, rng: np.random.Generator) -> np.ndarray:
    """Mask of the examples of randomly drawn whole groups, at most ``target`` of them; each example is a group where
    there are none. A group is passed over that would leave training no example of a class of whole texts."""
    groups = np.arange(len(train)) if train.groups is None else np.unique(train.groups, return_inverse=True)[1]
    rows_of = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    labels = np.asarray(train.labels) if train.questions is None else np.zeros(len(train), dtype=np.int64)
    left, free = np.bincount(labels), target
    chosen, kept = np.zeros(len(train), dtype=bool), list[str]()
    for rows in (rows_of[group] for group in rng.permutation(len(rows_of))):
        if len(rows) > free:
            continue
        classes, counts = np.unique(labels[rows], return_counts=True)
        if (left[classes] == counts).any():
            kept.append(train.ids[int(rows[0])])
            continue
        left[classes] -= counts
        free -= len(rows)
        chosen[rows] = True
    if kept:
        logger.warning("drawn for validation, but left in training for want of others of their class: %s", _few(kept))
    return chosen


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
