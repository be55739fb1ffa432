"""Multi-query associative recall (zoology): say the values of keys seen earlier, made up on the spot."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

import numpy as np

from swarmformer.data.questions import Questions
from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tasks.generated import Counts, check_counts, check_distinct, ids_of, rng_of, texts_of
from swarmformer.data.tasks.mqar_sampling import Drawn, Layout, draw
from swarmformer.errors import SpecError
from swarmformer.registry import register

GENERATOR = 1
"""Part of the identity: raise it when the same options come to give other examples."""


SIZES = {"64/4": (64, 4), "128/8": (128, 8), "256/16": (256, 16)}
"""Length and pairs, by name."""


@register("task", "mqar")
class Mqar(Task):
    """Recall of values by their keys, asked at tokens; one class for each of the vocab_size / 2 values.

    A text is k₁v₁…k_Dv_D; after it each key stands once more, pair by pair at a free place drawn with
    p ∝ i^(power − 1) for the i-th nearest of every other position, and there its value is asked for. Keys and
    values are distinct within a text. Needs a model that answers at tokens (``model.pooling: tokens``).
    The published runs have 8,192 words and blanks between the questions; fewer words are the default here
    because a model answers with all classes at every token.

    Args:
        size: where length (in tokens) and pairs D come from while those options are 0.
        vocab_size: a blank, keys and values together; even.
        fillers: what stands between the questions: ``blank``, or ``random`` tokens of all kinds.
        seed: of the examples; test and validation do not depend on how much training data is asked for.
    """

    per_token = True
    test_options = ({"num_train": 40, "num_validation": 20, "num_test": 20},)
    vocabulary: tuple[str, ...]

    def __init__(
        self,
        *,
        size: Literal["64/4", "128/8", "256/16"] = "64/4",
        length: int = 0,
        pairs: int = 0,
        vocab_size: int = 512,
        power: float = 0.01,
        fillers: Literal["blank", "random"] = "blank",
        num_train: int = 20_000,
        num_validation: int = 1_000,
        num_test: int = 2_000,
        seed: int = 0,
    ) -> None:
        default_length, default_pairs = SIZES[size]
        self.layout = Layout(vocab_size, length or default_length, pairs or default_pairs, power, fillers == "random")
        self.counts = Counts(num_train, num_validation, num_test)
        self.seed = seed
        check_counts("mqar", self.counts)
        _check(self.layout)
        self.num_classes = self.layout.num_values
        keys = (f"k{index}" for index in range(self.layout.num_keys))
        values = (f"v{index}" for index in range(self.layout.num_values))
        self.vocabulary = ("[PAD]", "_", *keys, *values)

    def identity(self) -> dict[str, Any]:
        return {"generator": GENERATOR, "seed": self.seed, **asdict(self.layout), **asdict(self.counts)}

    def load(self) -> dict[str, RawSplit]:
        splits = {name: self._split(name, count) for name, count in self.counts.by_split.items()}
        check_distinct("mqar", splits, "raise vocab_size or pairs")
        return splits

    def _split(self, name: str, count: int) -> RawSplit:
        drawn = draw(self.layout, count, rng_of(self.seed, name))
        return RawSplit(
            texts=texts_of(drawn.ids, self.vocabulary),
            labels=drawn.labels.ravel(),
            ids=[f"{name}/{row}" for row in range(count)],
            questions=Questions.from_rows(drawn.asked),
        )

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """A value of the text, which is right once in D; and what the place of a question tells of its pair."""
        usual = self._usual_pair(train)

        def by_place(split: RawSplit) -> np.ndarray:
            drawn = self._parsed(split)
            return np.take_along_axis(self._values(drawn), usual[drawn.asked], axis=1).ravel()

        def first(split: RawSplit) -> np.ndarray:
            drawn = self._parsed(split)
            return np.repeat(self._values(drawn)[:, 0], self.layout.pairs)

        return {"a value of the text (the first)": first, "value of the pair usual at this position": by_place}

    def oracles(self, train: RawSplit) -> dict[str, Predictor]:
        return {"look-up of the key": self._look_up}

    def _look_up(self, split: RawSplit) -> np.ndarray:
        drawn = self._parsed(split)
        values = self._values(drawn)
        return np.take_along_axis(values, self._pair_of(drawn), axis=1).ravel()

    def _usual_pair(self, train: RawSplit) -> np.ndarray:
        """The pair most often asked for at each position in ``train``, [length]."""
        drawn = self._parsed(train)
        counts = np.zeros((self.layout.length, self.layout.pairs), dtype=np.int64)
        np.add.at(counts, (drawn.asked, self._pair_of(drawn)), 1)
        return counts.argmax(axis=1)

    def _parsed(self, split: RawSplit) -> Drawn:
        """The arrays behind a split's texts; the questions are its own, one for each pair."""
        assert split.questions is not None
        ids = ids_of(split.texts, self.vocabulary)
        shape = (len(ids), self.layout.pairs)
        return Drawn(ids, split.questions.positions.reshape(shape), np.asarray(split.labels).reshape(shape))

    def _values(self, drawn: Drawn) -> np.ndarray:
        return drawn.ids[:, 1 : self.layout.context : 2] - self.layout.first_value

    def _pair_of(self, drawn: Drawn) -> np.ndarray:
        """Which pair each question is about, [n, pairs]."""
        keys = drawn.ids[:, 0 : self.layout.context : 2]
        asked = np.take_along_axis(drawn.ids, drawn.asked, axis=1)
        return (asked[:, :, None] == keys[:, None, :]).argmax(axis=2)


def _check(layout: Layout) -> None:
    if layout.pairs < 1:
        raise SpecError(f"task mqar: pairs must be at least 1, got {layout.pairs}")
    if layout.vocab_size % 2 or layout.num_keys < max(layout.pairs, 2):
        raise SpecError(
            f"task mqar: vocab_size must be even and at least {2 * max(layout.pairs, 2) + 2} for "
            f"{layout.pairs} distinct keys, got {layout.vocab_size}"
        )
    if layout.gaps < layout.pairs:
        raise SpecError(
            f"task mqar: {layout.pairs} pairs and their questions need {4 * layout.pairs} tokens, length is "
            f"{layout.length}"
        )
    if layout.power <= 0:
        raise SpecError(f"task mqar: power must be more than 0, got {layout.power}")
