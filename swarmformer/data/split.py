"""Checking raw splits, and cutting a validation split that shares no group with training."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from swarmformer.data.draw import USUAL_SHARE, drawn, numbered
from swarmformer.data.leakage import HeldOut
from swarmformer.data.packed import are_distinct
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, listed

logger = logging.getLogger("swarmformer.data")

MISSING = {
    "train": "no model can learn it",
    "validation": "training is not judged by it",
    "test": "how well it is recognised will not be known",
}
"""What a class that a split lacks costs."""
STRATIFY = "set data.stratify: true, which draws of every class, or raise data.validation_fraction"


def load_splits(
    task: Task,
    *,
    validation_fraction: float,
    split_seed: int,
    redrawn: bool = False,
    drop_copies: bool = False,
    stratify: bool = False,
) -> dict[str, RawSplit]:
    """Load a task as checked ``train``, ``validation`` and ``test``, in this order.

    A validation split of the source is kept as it is; else one is cut out of train. A class that has examples in one
    split and none in another is told.

    Args:
        stratify: as for ``cut_validation``.
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
        train, validation = cut_validation(train, validation_fraction, split_seed, stratify=stratify)
    elif idle := _idle(validation_fraction, redrawn, stratify):
        raise DataError(f"{idle}, but the task has a validation split of its own: nothing is drawn; leave it out")
    splits = {"train": train, "validation": validation, "test": raw["test"]}
    if not task.next_token:
        _check_classes(train)
    splits = without_copies(splits, task) if drop_copies else splits
    if not task.next_token:
        _tell_of_missing(splits, task, is_cut="validation" not in raw)
    return splits


def load_only_test(task: Task) -> RawSplit:
    """Test alone, checked, of a task whose other splits nobody needs.

    Raises:
        DataError: malformed splits.
    """
    raw = task.load()
    check_splits(raw, task.num_classes, per_token=task.per_token)
    return raw["test"]


def _idle(fraction: float, redrawn: bool, stratify: bool) -> str:
    """What is asked of a cut that is not made; empty for nothing."""
    share = {f"validation_fraction: {fraction:g}": fraction != USUAL_SHARE}
    asked = {"split_seed: run": redrawn, "stratify: true": stratify, **share}
    return " and ".join(f"data.{words}" for words, is_asked in asked.items() if is_asked)


def without_copies(splits: Mapping[str, RawSplit], task: Task) -> dict[str, RawSplit]:
    """The splits without those training texts that are, after normalisation, among validation or test.

    Raises:
        DataError: none is left, or training examples of one class alone.
    """
    train, held_out = splits["train"], HeldOut(splits, task)
    kept = np.array([row for row, text in enumerate(train.texts) if text not in held_out], dtype=np.int64)
    rest = train.take(kept)
    if not kept.size:
        raise DataError("every training text also stands in validation or test: nothing is left to train on; name "
                        "other files, or set data.duplicates: keep")  # fmt: skip
    if not task.next_token:
        _check_classes(rest)
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
    if not are_distinct(split.ids):
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


def cut_validation(train: RawSplit, fraction: float, seed: int, *, stratify: bool = False) -> tuple[RawSplit, RawSplit]:
    """Cut ``fraction`` of ``train`` off as validation; returns (rest, validation), both in train's order.

    Where groups exist, whole groups are drawn at random for as long as they fit into the fraction,
    so that no group is on both sides; else examples are drawn at random. The last examples of a class stay in training.

    Args:
        stratify: as for ``drawn``.
    """
    if not 0 < fraction < 1:
        raise DataError(f"validation_fraction must lie between 0 and 1, got {fraction}")
    if train.groups is None:
        logger.warning("validation is drawn from the training examples one by one. That is right unless several come "
                       "from one author, film or customer: then both have texts of each, and validation looks better "
                       "than new texts will; to keep such examples together, own files name a column in "
                       "data.task.group")  # fmt: skip
    groups = None if train.groups is None else numbered(train.groups)
    chosen = drawn(train, fraction, np.random.default_rng(seed), groups=groups, stratify=stratify)
    if not chosen.any() or chosen.all():
        raise DataError(
            f"validation_fraction {fraction} of {len(train)} examples leaves training or validation empty; "
            "change the fraction or use more examples"
        )
    return train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))


def _tell_of_missing(splits: Mapping[str, RawSplit], task: Task, *, is_cut: bool) -> None:
    """Warn of classes that a model cannot learn, or that nothing is measured of."""
    names = task.class_names
    counts = {name: np.bincount(split.labels, minlength=task.num_classes) for name, split in splits.items()}
    for split, consequence in MISSING.items():
        absent = counts[split] == 0
        drawable = absent & (counts["train"] > 1) & (is_cut and split == "validation")
        for missing, advice in ((drawable, STRATIFY), (absent & ~drawable, "give it some examples")):
            if missing.any():
                said = listed([repr(names[label]) for label in np.flatnonzero(missing)])
                noun = "class" if missing.sum() == 1 else "classes"
                logger.warning("%s has no example of %s %s, so that %s: %s", split, noun, said, consequence, advice)
