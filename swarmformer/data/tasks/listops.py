"""ListOps (Long Range Arena): the value of a nested list expression, made up on the spot."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tasks.listops_grammar import NAMES, OPERATORS, VOCABULARY, literal_children, sample
from swarmformer.errors import DataError, SpecError
from swarmformer.registry import register

GENERATOR = 1
"""Part of the identity: raise it when the same options come to give other examples."""
PATIENCE = 200_000
"""Draws in a row without a new expression of the right length before giving up."""


@dataclass(frozen=True)
class Size:
    """How much to make: examples per split, length in tokens (both ends included), levels of nesting."""

    num_train: int
    num_validation: int
    num_test: int
    min_length: int
    max_length: int
    max_depth: int


SIZES = {
    "lite": Size(40_000, 2_000, 2_000, min_length=32, max_length=256, max_depth=5),
    "full": Size(96_000, 2_000, 2_000, min_length=501, max_length=1_999, max_depth=10),
}


@register("task", "listops")
class ListOps(Task):
    """Value of a nested expression of MIN, MAX, MED and SM (sum modulo 10) over digits, 10 classes.

    ``full`` is the task of the Long Range Arena; ``lite`` has shorter and shallower expressions. No
    expression occurs twice. Test and validation do not depend on how much training data is asked for.

    Args:
        size: where the options below take their values from while they are 0.
        seed: of the examples.
    """

    num_classes = 10
    vocabulary = VOCABULARY
    test_options = ({"num_train": 60, "num_validation": 20, "num_test": 20},)

    def __init__(
        self,
        *,
        size: Literal["lite", "full"] = "lite",
        num_train: int = 0,
        num_validation: int = 0,
        num_test: int = 0,
        min_length: int = 0,
        max_length: int = 0,
        max_depth: int = 0,
        seed: int = 0,
    ) -> None:
        base = SIZES[size]
        self.size = Size(
            num_train or base.num_train,
            num_validation or base.num_validation,
            num_test or base.num_test,
            min_length or base.min_length,
            max_length or base.max_length,
            max_depth or base.max_depth,
        )
        self.seed = seed
        _check(self.size)

    def identity(self) -> dict[str, Any]:
        return {"generator": GENERATOR, "seed": self.seed, **asdict(self.size)}

    def load(self) -> dict[str, RawSplit]:
        """Generate all splits: test first, then validation, then train."""
        rng = random.Random(self.seed if self.seed >= 0 else str(self.seed))  # which would drop the sign
        counts = (
            ("test", self.size.num_test),
            ("validation", self.size.num_validation),
            ("train", self.size.num_train),
        )
        seen: set[str] = set()
        return {name: self._split(name, count, rng, seen) for name, count in counts}

    def _split(self, name: str, count: int, rng: random.Random, seen: set[str]) -> RawSplit:
        examples = [self._new(rng, seen) for _ in range(count)]
        return RawSplit(
            texts=[text for text, _ in examples],
            labels=np.array([value for _, value in examples], dtype=np.int64),
            ids=[f"{name}/{row}" for row in range(count)],
        )

    def _new(self, rng: random.Random, seen: set[str]) -> tuple[str, int]:
        """One expression of the right length that is not among ``seen``; it is added to them."""
        for _ in range(PATIENCE):
            drawn = sample(rng, self.size.max_depth, self.size.max_length)
            if drawn is None or len(drawn[0]) < self.size.min_length:
                continue
            text = " ".join(drawn[0])
            if text not in seen:
                seen.add(text)
                return text, drawn[1]
        raise DataError(
            f"task listops: no new expression of {self.size.min_length} to {self.size.max_length} tokens and "
            f"depth {self.size.max_depth} in {PATIENCE} draws, with {len(seen)} found. "
            "Widen the lengths, raise max_depth or ask for fewer examples."
        )

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """What the first token tells, and what the root tells with the digits directly under it."""
        best = best_label_by_operator(train)

        def operator(split: RawSplit) -> np.ndarray:
            return np.array([best.get(text.split(" ", 1)[0], 0) for text in split.texts], dtype=np.int64)

        def literal(split: RawSplit) -> np.ndarray:
            return np.array([root_with_literals(text, best) for text in split.texts], dtype=np.int64)

        return {"operator at the root": operator, "root with its literal children": literal}


def _check(size: Size) -> None:
    negative = [name for name, value in asdict(size).items() if value < 1]
    if negative:
        raise SpecError(f"task listops: {', '.join(negative)} must not be negative")
    if size.min_length > size.max_length:
        raise SpecError(f"task listops: min_length {size.min_length} is more than max_length {size.max_length}")


def best_label_by_operator(train: RawSplit) -> dict[str, int]:
    """The most frequent label in ``train`` for every operator that opens an expression there."""
    roots = np.array([text.split(" ", 1)[0] for text in train.texts])
    labels = np.asarray(train.labels)
    return {
        name: int(np.bincount(labels[roots == name], minlength=10).argmax()) for name in NAMES if (roots == name).any()
    }


def root_with_literals(text: str, best: dict[str, int]) -> int:
    """Value of the root operator over its own digits alone; ``best`` by operator where it has none."""
    tokens = text.split()
    if tokens[0] not in OPERATORS:
        return int(tokens[0])
    digits = literal_children(tokens)
    return OPERATORS[tokens[0]](digits) if digits else best.get(tokens[0], 0)
