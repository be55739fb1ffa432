"""Interleaved streams: the class of one noisy stream among several, made up on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from swarmformer.contracts import Probability
from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tasks.generated import Counts, check_counts, check_distinct, ids_of, rng_of, texts_of
from swarmformer.data.tasks.streams_sampling import SHORTEST, Layout, Reading, draw, mode, read
from swarmformer.errors import SpecError
from swarmformer.registry import register

GENERATOR = 1
"""Part of the identity: raise it when the same options come to give other examples."""


@register("task", "streams")
class Streams(Task):
    """Class of the stream that the first token asks for, 10 classes; needs neighbours, routing and a merge at once.

    After the question come runs: the marker of a stream, another than before, and 2–11 values, until the text is
    ``length`` tokens long (the last run is cut). Every stream has a class of its own; each of its values
    is that class with probability ``signal``, else any value, the class included. Only streams with values in
    the text are asked for.

    Args:
        length: tokens per text, the question included.
        streams: how many are interleaved.
        signal: 0.4 makes 46 % of a stream's values its class.
        seed: of the examples; test and validation do not depend on how much training data is asked for.
    """

    num_classes = 10
    test_options = ({"num_train": 40, "num_validation": 20, "num_test": 20},)

    def __init__(
        self,
        *,
        length: int = 128,
        streams: int = 4,
        signal: Probability = 0.4,
        num_train: int = 20_000,
        num_validation: int = 1_000,
        num_test: int = 5_000,
        seed: int = 0,
    ) -> None:
        self.layout = Layout(length, streams, self.num_classes, signal)
        self.counts = Counts(num_train, num_validation, num_test)
        self.seed = seed
        self.vocabulary = self.layout.vocabulary
        check_counts("streams", self.counts)
        if streams < 2:
            raise SpecError(f"task streams: streams must be at least 2, got {streams}")
        if length < 2 + SHORTEST:
            raise SpecError(f"task streams: length must be at least {2 + SHORTEST}, got {length}")

    def identity(self) -> dict[str, Any]:
        return {"generator": GENERATOR, "seed": self.seed, **asdict(self.layout), **asdict(self.counts)}

    def load(self) -> dict[str, RawSplit]:
        splits = {name: self._split(name, count) for name, count in self.counts.by_split.items()}
        check_distinct("streams", splits, "raise length")
        return splits

    def _split(self, name: str, count: int) -> RawSplit:
        ids, labels = draw(self.layout, count, rng_of(self.seed, name))
        return RawSplit(texts_of(ids, self.layout.vocabulary), labels, [f"{name}/{row}" for row in range(count)])

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """Values of the text whatever their stream; and the first value of the right one, which is routing alone."""
        return {
            "last value of the text": self._predictor(_last),
            "most frequent value of the text": self._predictor(_everywhere),
            "first value of the stream": self._predictor(_first_of_stream),
        }

    def oracles(self, train: RawSplit) -> dict[str, Predictor]:
        """The likeliest class given the text: the stream's most frequent value, the lowest of several.

        Classes are equally likely, and so is a tie's each side: any way to break it is right as often.
        """
        return {"oracle: most frequent value of the stream": self._predictor(_oracle)}

    def _predictor(self, rule: Rule) -> Predictor:
        def predict(split: RawSplit) -> np.ndarray:
            ids = ids_of(split.texts, self.layout.vocabulary)
            return rule(self.layout, read(self.layout, ids), ids[:, :1] - 1)

        return predict


Rule = Callable[[Layout, Reading, np.ndarray], np.ndarray]
"""Layout, reading [n, N] and the stream asked for [n, 1] → labels [n]."""


def _last(layout: Layout, reading: Reading, asked: np.ndarray) -> np.ndarray:
    n, length = reading.is_value.shape
    place = length - 1 - reading.is_value[:, ::-1].argmax(axis=1)
    return reading.value[np.arange(n), place]


def _everywhere(layout: Layout, reading: Reading, asked: np.ndarray) -> np.ndarray:
    return mode(layout, reading, reading.is_value)


def _first_of_stream(layout: Layout, reading: Reading, asked: np.ndarray) -> np.ndarray:
    place = (reading.is_value & (reading.stream == asked)).argmax(axis=1)
    return reading.value[np.arange(len(asked)), place]


def _oracle(layout: Layout, reading: Reading, asked: np.ndarray) -> np.ndarray:
    return mode(layout, reading, reading.stream == asked)
