"""Augmentations of texts: more texts, each made of training texts of one label, decided by the generator alone."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from swarmformer.contracts import Added
from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.require import NotApplicableError, require

SEEDS = range(5)
SENTENCES = ("A good film.", "It was bad!", "Who saw the end of it?", "Mr. Smith laughed, so did I.", "Quick, funny.")


def small_texts() -> RawSplit:
    """Sixty texts of one to five sentences, of three classes, and an empty one."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(SENTENCES)[: 1 + row % 5].tolist()) for row in range(60)]
    labels = np.arange(61) % 3
    return RawSplit([*texts, ""], labels.astype(np.int64), [f"train/{row}" for row in range(61)])


def _added(case: Case, seed: int, train: RawSplit | None = None) -> list[Added]:
    try:
        return list(case.make().added(train or small_texts(), np.random.default_rng(seed)))
    except DataError as error:
        raise NotApplicableError(f"its data is missing: {error}") from error


@check("text_augmentation")
def texts_come_from_training_texts_of_one_label(case: Case) -> None:
    """Each is text, and names rows of the split that have one label."""
    train = small_texts()
    for seed in SEEDS:
        for text, rows in _added(case, seed):
            require(isinstance(text, str), f"adds {type(text).__name__}, not text")
            known = bool(rows) and all(isinstance(row, int) and 0 <= row < len(train) for row in rows)
            require(known, f"origins {rows!r} are not rows of the split")
            require(len(set(train.labels[list(rows)].tolist())) == 1, f"puts texts of several labels together: {rows}")


@check("text_augmentation")
def texts_are_decided_by_the_generator_alone(case: Case) -> None:
    """The same state of it adds the same texts; Python's and numpy's own random states are neither read nor moved."""
    for seed in SEEDS:
        before = _global_states()
        first = _added(case, seed)
        require(before == _global_states(), "draws from a global random state")
        random.random(), np.random.random()
        require(first == _added(case, seed), "one state of the generator adds other texts")


def _global_states() -> tuple[Any, ...]:
    state: Any = np.random.get_state()
    return random.getstate(), *(part.tolist() if isinstance(part, np.ndarray) else part for part in state)


@check("text_augmentation")
def training_texts_are_left_alone(case: Case) -> None:
    """What is added stands beside the texts, which stay."""
    train, before = small_texts(), small_texts()
    _added(case, 0, train)
    same = list(train.texts) == list(before.texts) and np.array_equal(train.labels, before.labels)
    require(same, "changes the texts or labels that it is given in place")


@check("text_augmentation")
def identity_says_what_it_reads(case: Case) -> None:
    """JSON values, the same for the same options."""
    try:
        first, second = case.make().identity(), case.make().identity()
    except DataError as error:
        raise NotApplicableError(f"its data is missing: {error}") from error
    require(json.loads(json.dumps(first)) == first == second, f"not stable, or changed by JSON: {first!r}, {second!r}")
