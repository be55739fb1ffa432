"""Tasks: an identity to rely on, and examples that fit what is said of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, SwarmformerError
from swarmformer.schema import options_of
from swarmformer.settings import data_dir
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.require import NotApplicableError, require


@check("task")
def identity_is_json_and_stable(case: Case) -> None:
    """Two instances with the same options have the same identity, as JSON values."""
    try:
        first, second = case.build().identity(), case.build().identity()
    except DataError as error:
        raise NotApplicableError(f"its data is missing: {error}") from error
    require(json.loads(json.dumps(first)) == first, f"identity changes when it is stored as JSON: {first!r}")
    require(first == second, f"two instances with the same options differ: {first!r}, {second!r}")


@check("task")
def classes_and_vocabulary_are_declared(case: Case) -> None:
    """At least two classes, each with a name; distinct words in an own vocabulary, which asking at tokens needs."""
    task = case.build()
    if task.next_token:
        raise NotApplicableError("its classes are the tokens of the run's tokenizer")
    try:
        classes = task.num_classes
    except DataError as error:  # some tasks count their classes in their data
        raise NotApplicableError(f"its data is missing: {error}") from error
    require(type(classes) is int and classes >= 2, f"num_classes is {classes!r}")
    names = task.class_names
    require(len(names) == classes == len(set(names)), f"{len(set(names))} names of classes for {classes} classes")
    require(all(isinstance(name, str) and name.strip() for name in names), f"classes are no text: {names!r}")
    words = task.vocabulary
    require(not task.per_token or words is not None, "asks at tokens, but has no vocabulary to count them by")
    if words is not None:
        require(len(set(words)) == len(words), "the vocabulary has a token twice")
        require(all(word and not word.split()[1:] for word in words), "tokens must be non-empty and without spaces")


@check("task")
def splits_hold_what_is_declared(case: Case) -> None:
    """Train and test; distinct ids; one label per text or question, within num_classes; known tokens."""
    task, splits = _loaded(case)
    require({"train", "test"} <= splits.keys(), f"splits are {', '.join(splits)}; train and test are needed")
    for name, split in splits.items():
        require(len(split) > 0, f"{name} is empty")
        require(len(split.ids) == len(split), f"{name}: {len(split.ids)} ids for {len(split)} texts")
        if task.next_token:
            continue
        asked = len(split) if split.questions is None else len(split.questions.positions)
        labels = np.asarray(split.labels)
        require(labels.shape == (asked,), f"{name}: labels of shape {labels.shape}, expected ({asked},)")
        require(np.issubdtype(labels.dtype, np.integer), f"{name}: labels are {labels.dtype}, expected integers")
        low, high = int(labels.min()), int(labels.max())
        require(low >= 0 and high < task.num_classes, f"{name}: labels {low}…{high} of {task.num_classes} classes")
        require((split.questions is not None) == task.per_token, f"{name}: per_token = {task.per_token} is untrue")
        _known_tokens(name, task, split)
        _asked_inside(name, split)
    everything = [name for split in splits.values() for name in split.ids]
    require(len(set(everything)) == len(everything), "an id occurs twice: the splits overlap")


def _known_tokens(name: str, task: Task, split: RawSplit) -> None:
    if task.vocabulary is not None:
        unknown = {word for text in split.texts for word in text.split(" ")} - set(task.vocabulary)
        require(not unknown, f"{name}: tokens outside the vocabulary: {', '.join(sorted(unknown)[:5])}")


def _asked_inside(name: str, split: RawSplit) -> None:
    if split.questions is not None:
        require(len(split.questions) == len(split), f"{name}: questions about {len(split.questions)} texts")
        lengths = np.array([len(text.split(" ")) for text in split.texts])
        inside = (split.questions.positions >= 0) & (split.questions.positions < lengths[split.questions.text])
        require(bool(inside.all()), f"{name}: asks beyond the end of a text")


@check("task")
def loading_again_gives_the_same(case: Case) -> None:
    """Another instance with the same options has the same examples in the same order."""
    splits, again = _loaded(case)[1], _loaded(case)[1]
    require(splits.keys() == again.keys(), "the splits differ")
    for name, split in splits.items():
        require(_alike(split, again[name]), f"{name} differs when it is loaded again")


@check("task")
def identity_follows_every_option(case: Case) -> None:
    """Another number or switch that makes other examples makes another identity.

    Else examples of one value are read from the cache for those of the other.
    """
    task, splits = _loaded(case)
    own = task.identity()
    for name, value in _other_values(case):
        try:
            other = case.make(**{name: value})
            found = other.load() if other.identity() == own else None
        except (SwarmformerError, ValueError):  # does not go with the other options
            continue
        if found is not None:
            words = f"{name}: {value!r} makes other examples, but the identity stays as it was: it must have the option"
            require(found.keys() == splits.keys(), words)
            require(all(_alike(split, found[split_name]) for split_name, split in splits.items()), words)


def _other_values(case: Case) -> Iterator[tuple[str, Any]]:
    """Of options of numbers and switches that are part of what a run is, one at a time."""
    for option in options_of(case.cls, ()):
        value = case.options.get(option.name, option.default)
        if option.name in case.cls.OUTSIDE_KEY or not isinstance(value, int | float):
            continue
        if isinstance(value, bool):
            yield option.name, not value
        elif isinstance(value, int):
            yield from ((option.name, other) for other in (value + 1, 2 * value + 2, value - 1))
        else:
            yield from ((option.name, other) for other in (value / 2 + 0.25, value + 0.5))


def _alike(split: RawSplit, other: RawSplit) -> bool:
    same = list(split.texts) == list(other.texts) and list(split.ids) == list(other.ids)
    return same and np.array_equal(split.labels, other.labels)


@check("task")
def predictors_answer_every_question(case: Case) -> None:
    """Trivial predictors and oracles give one class for every label of a split whose labels are hidden."""
    task, splits = _loaded(case)
    predictors = {**task.trivial_predictors(splits["train"]), **task.oracles(splits["train"])}
    if not predictors:
        raise NotApplicableError("has neither trivial predictors nor oracles of its own")
    test = splits["test"]
    for name, predict in predictors.items():
        answers = np.asarray(predict(test.without_labels()))
        require(answers.shape == test.labels.shape, f"{name}: {answers.shape} answers for {test.labels.shape} labels")
        known = bool(((answers >= 0) & (answers < task.num_classes)).all())
        require(known, f"{name}: answers outside the {task.num_classes} classes")


def _loaded(case: Case) -> tuple[Any, dict[str, RawSplit]]:
    if not case.options and case.cls.test_options:
        raise NotApplicableError("loading is checked at the small sizes of test_options")
    key = (case.cls, str(case), data_dir())
    if key in _missing:
        raise NotApplicableError(_missing[key])
    try:
        task = case.build()
        return task, task.load()
    except DataError as error:
        _missing[key] = f"its data is missing: {error}"
        raise NotApplicableError(_missing[key]) from error


_missing: dict[tuple[type, str, Path | None], str] = {}
"""What could not be loaded, and why: not tried again, since a source that cannot be reached is slow to say so."""
