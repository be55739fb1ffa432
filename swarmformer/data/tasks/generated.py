"""What tasks that make up their own examples share."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError, SpecError


@dataclass(frozen=True)
class Counts:
    """Examples per split."""

    num_train: int
    num_validation: int
    num_test: int

    @property
    def by_split(self) -> dict[str, int]:
        return {name.removeprefix("num_"): count for name, count in asdict(self).items()}


def check_counts(task: str, counts: Counts) -> None:
    """Raise SpecError where a split would be empty."""
    few = [name for name, count in asdict(counts).items() if count < 1]
    if few:
        raise SpecError(f"task {task}: {', '.join(few)} must be at least 1")


def rng_of(seed: int, split: str) -> np.random.Generator:
    """Random numbers of one split, the same whatever is made for the others."""
    return np.random.default_rng((abs(seed), seed < 0, zlib.crc32(split.encode())))


def texts_of(ids: np.ndarray, vocabulary: Sequence[str]) -> list[str]:
    """Rows of token ids [n, N] as tokens joined by spaces."""
    return [" ".join([vocabulary[token] for token in row]) for row in ids.tolist()]


def ids_of(texts: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """The inverse, for texts of one length."""
    number = {token: index for index, token in enumerate(vocabulary)}
    return np.array([[number[token] for token in text.split(" ")] for text in texts])


def check_distinct(task: str, splits: Mapping[str, RawSplit], remedy: str) -> None:
    """Raise DataError where a text occurs twice: what is tested must not have been seen."""
    texts = [text for split in splits.values() for text in split.texts]
    again = len(texts) - len(set(texts))
    if again:
        raise DataError(f"task {task}: {again} of {len(texts)} texts occurred before: {remedy}, or ask for fewer")
