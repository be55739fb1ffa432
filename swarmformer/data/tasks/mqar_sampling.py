"""Multi-query associative recall: random examples as arrays of token ids.

The law is that of zoology (Arora et al., 2023, "Measuring and improving recall in efficient language
models"). Ids: 0 is padding and never drawn, 1 is blank; then the keys, then the values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLANK = 1
FIRST_KEY = 2


@dataclass(frozen=True)
class Layout:
    """Sizes of one task. ``vocab_size`` V counts a blank, V/2 − 1 keys and V/2 values, as zoology does."""

    vocab_size: int
    length: int
    pairs: int
    power: float
    random_fillers: bool

    @property
    def first_value(self) -> int:
        return FIRST_KEY + self.num_keys

    @property
    def num_keys(self) -> int:
        return self.vocab_size // 2 - 1

    @property
    def num_values(self) -> int:
        return self.vocab_size // 2

    @property
    def context(self) -> int:
        """Tokens taken by the pairs."""
        return 2 * self.pairs

    @property
    def gaps(self) -> int:
        """Places where a key may be asked for: every other token after the pairs."""
        return (self.length - self.context) // 2

    @property
    def gap_probabilities(self) -> np.ndarray:
        """Of the first key's place, nearest first: p(i) ∝ i^(power − 1), i = 1, 2, …"""
        weights = np.arange(1, self.gaps + 1, dtype=np.float64) ** (self.power - 1)
        return weights / weights.sum()


@dataclass(frozen=True)
class Drawn:
    """ids [n, length]; asked [n, pairs], rising positions; labels [n, pairs], index of the value."""

    ids: np.ndarray
    asked: np.ndarray
    labels: np.ndarray


def draw(layout: Layout, count: int, rng: np.random.Generator) -> Drawn:
    """``count`` examples: k₁v₁…k_Dv_D, then each key once more; elsewhere blanks, or any tokens."""
    keys = FIRST_KEY + distinct(layout.num_keys, layout.pairs, count, rng)
    values = distinct(layout.num_values, layout.pairs, count, rng)
    asked = layout.context + 2 * places(layout, count, rng)
    ids = np.full((count, layout.length), BLANK)
    if layout.random_fillers:
        ids = rng.integers(BLANK, BLANK + layout.vocab_size, size=ids.shape)
    ids[:, 0 : layout.context : 2] = keys
    ids[:, 1 : layout.context : 2] = layout.first_value + values
    np.put_along_axis(ids, asked, keys, axis=1)
    order = asked.argsort(axis=1)
    return Drawn(ids, np.take_along_axis(asked, order, 1), np.take_along_axis(values, order, 1))


def distinct(population: int, size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` ordered samples of ``size`` of 0 … population − 1 without replacement, [count, size]."""
    if 2 * size * size > population:  # collisions would be common
        return rng.random((count, population)).argsort(axis=1)[:, :size]
    drawn = rng.integers(population, size=(count, size))
    while True:
        ordered = np.sort(drawn, axis=1)
        again = np.flatnonzero((np.diff(ordered, axis=1) == 0).any(axis=1))
        if not again.size:
            return drawn
        drawn[again] = rng.integers(population, size=(len(again), size))


def places(layout: Layout, count: int, rng: np.random.Generator) -> np.ndarray:
    """Gap of each pair's question, [count, pairs]: drawn pair by pair without replacement.

    An exponential race: the order in which clocks of these rates ring is the order of such draws
    (Efraimidis and Spirakis, 2006).
    """
    rings = rng.exponential(size=(count, layout.gaps)) / layout.gap_probabilities
    return rings.argsort(axis=1)[:, : layout.pairs]
