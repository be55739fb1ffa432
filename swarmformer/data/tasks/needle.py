"""A needle in a haystack: say the value of a key that stood beside it far away, made up on the spot."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from swarmformer.data.questions import Questions
from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tasks.generated import Counts, check_counts, check_distinct, ids_of, rng_of, texts_of
from swarmformer.data.tasks.mqar_sampling import distinct
from swarmformer.errors import SpecError
from swarmformer.registry import register

GENERATOR = 1
"""Part of the identity: raise it when the same options come to give other examples."""
ASK, FIRST_KEY = 1, 2


@dataclass(frozen=True)
class Haystack:
    """Sizes of one task. Ids: 0 is padding and never drawn, 1 asks; then keys, values and fillers."""

    length: int
    pairs: int
    keys: int
    values: int
    fillers: int

    @property
    def first_value(self) -> int:
        return FIRST_KEY + self.keys

    @property
    def context(self) -> int:
        """Tokens before the questions."""
        return self.length - 2 * self.pairs

    @property
    def vocabulary(self) -> tuple[str, ...]:
        kinds = (("k", self.keys), ("v", self.values), ("w", self.fillers))
        return ("[PAD]", "?", *(f"{kind}{index}" for kind, count in kinds for index in range(count)))

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """ids [count, length], and the values asked for, [count, pairs], in the order of the questions."""
        first_filler = self.first_value + self.values
        ids = rng.integers(first_filler, first_filler + self.fillers, size=(count, self.length))
        keys = distinct(self.keys, self.pairs, count, rng)
        values = rng.integers(self.values, size=(count, self.pairs))
        # So many of the places that are left, rising; each pair moves those behind it on by one: none overlap.
        starts = np.sort(distinct(self.context - self.pairs, self.pairs, count, rng), axis=1) + np.arange(self.pairs)
        np.put_along_axis(ids, starts, FIRST_KEY + keys, axis=1)
        np.put_along_axis(ids, starts + 1, self.first_value + values, axis=1)
        order = rng.random((count, self.pairs)).argsort(axis=1)
        ids[:, self.context :: 2] = ASK
        ids[:, self.context + 1 :: 2] = FIRST_KEY + np.take_along_axis(keys, order, axis=1)
        return ids, np.take_along_axis(values, order, axis=1)


@register("task", "needle")
class Needle(Task):
    """Recall over a distance: the value of each of some pairs that stand anywhere in a text, asked for at its end.

    Pairs ``k v`` of neighbours stand at places drawn at random among fillers; the text ends with ``? k`` for each key,
    in random order, and at that k its value is asked for. Keys are distinct within a text. However long the text, the
    pairs are as many, so that only the distance and the fillers grow: a model whose accuracy falls with ``length``
    does not read so far, whatever it costs. Needs a model that answers at tokens (``model.pooling: tokens``). After
    the needle in a haystack of language models and multi-query associative recall (Arora et al. 2023, task mqar).

    Args:
        length: tokens per text, questions included: 256 to 16,384, or any other.
        pairs: in a text, each a distractor to the others.
        keys, values, fillers: words of each kind.
        seed: of the examples; test and validation do not depend on how much training data is asked for.
    """

    per_token = True
    test_options = ({"length": 64, "num_train": 40, "num_validation": 20, "num_test": 20},)
    vocabulary: tuple[str, ...]

    def __init__(
        self,
        *,
        length: int = 256,
        pairs: int = 4,
        keys: int = 16,
        values: int = 16,
        fillers: int = 32,
        num_train: int = 20_000,
        num_validation: int = 1_000,
        num_test: int = 2_000,
        seed: int = 0,
    ) -> None:
        self.haystack = Haystack(length, pairs, keys, values, fillers)
        self.counts = Counts(num_train, num_validation, num_test)
        self.seed = seed
        check_counts("needle", self.counts)
        _check(self.haystack)
        self.num_classes, self.vocabulary = values, self.haystack.vocabulary

    def identity(self) -> dict[str, Any]:
        return {"generator": GENERATOR, "seed": self.seed, **asdict(self.haystack), **asdict(self.counts)}

    def load(self) -> dict[str, RawSplit]:
        splits = {name: self._split(name, count) for name, count in self.counts.by_split.items()}
        check_distinct("needle", splits, "raise length or fillers")
        return splits

    def _split(self, name: str, count: int) -> RawSplit:
        ids, labels = self.haystack.draw(count, rng_of(self.seed, name))
        asked = np.broadcast_to(np.arange(self.haystack.context + 1, self.haystack.length, 2), labels.shape)
        return RawSplit(
            texts=texts_of(ids, self.vocabulary),
            labels=labels.ravel(),
            ids=[f"{name}/{row}" for row in range(count)],
            questions=Questions.from_rows(asked),
        )

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """Values of the text whatever their key: right once in ``pairs``, and by chance, the most frequent more."""
        return {
            "a value of the text (the first)": lambda split: self._values(split)[:, 0].repeat(self.haystack.pairs),
            "a value of the text (the last)": lambda split: self._values(split)[:, -1].repeat(self.haystack.pairs),
            "the most frequent value of the text": lambda split: self._most_frequent(split).repeat(self.haystack.pairs),
        }

    def oracles(self, train: RawSplit) -> dict[str, Predictor]:
        return {"look-up of the key": self._look_up}

    def _values(self, split: RawSplit) -> np.ndarray:
        """By place, [n, pairs]."""
        ids = ids_of(split.texts, self.vocabulary)[:, : self.haystack.context]
        found = self._kind(ids, self.haystack.first_value, self.haystack.values)
        return ids[found].reshape(len(ids), -1) - self.haystack.first_value

    def _most_frequent(self, split: RawSplit) -> np.ndarray:
        """Of the values of each text the one that stands there most often, the first of several, [n]."""
        values = self._values(split)
        times = (values[:, :, None] == values[:, None, :]).sum(axis=2)
        return np.take_along_axis(values, times.argmax(axis=1)[:, None], axis=1)[:, 0]

    def _look_up(self, split: RawSplit) -> np.ndarray:
        ids = ids_of(split.texts, self.vocabulary)
        context, asked = ids[:, : self.haystack.context], ids[:, self.haystack.context + 1 :: 2]
        keys = context[self._kind(context, FIRST_KEY, self.haystack.keys)].reshape(len(ids), -1)
        pair = (asked[:, :, None] == keys[:, None, :]).argmax(axis=2)
        return np.take_along_axis(self._values(split), pair, axis=1).ravel()

    @staticmethod
    def _kind(ids: np.ndarray, first: int, count: int) -> np.ndarray:
        return (ids >= first) & (ids < first + count)


def _check(haystack: Haystack) -> None:
    for name, least in (("pairs", 1), ("values", 2), ("fillers", 1), ("keys", haystack.pairs)):
        if getattr(haystack, name) < least:
            raise SpecError(f"task needle: {name} must be at least {least}, got {getattr(haystack, name)}")
    if haystack.length < 4 * haystack.pairs:
        raise SpecError(
            f"task needle: {haystack.pairs} pairs and their questions need {4 * haystack.pairs} tokens, length is "
            f"{haystack.length}"
        )
