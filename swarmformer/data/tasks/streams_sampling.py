"""Interleaved streams: random examples as arrays of token ids, and their reading.

Ids: 0 is padding; then ``ask s``, marker of stream s, and the values, for streams 0 … S − 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHORTEST, LONGEST = 2, 11
"""Values between two markers."""


@dataclass(frozen=True)
class Layout:
    """Sizes of one task; ``signal`` is how often a value is the class of its stream by design."""

    length: int
    streams: int
    classes: int
    signal: float

    @property
    def first_marker(self) -> int:
        return 1 + self.streams

    @property
    def first_value(self) -> int:
        return 1 + 2 * self.streams

    @property
    def vocabulary(self) -> tuple[str, ...]:
        ask = (f"ask{stream}" for stream in range(self.streams))
        markers = (f"stream{stream}" for stream in range(self.streams))
        return ("[PAD]", *ask, *markers, *map(str, range(self.classes)))


@dataclass(frozen=True)
class Reading:
    """What a text says, all [n, N]: is a token a value, of which stream, and which value (0 elsewhere)."""

    is_value: np.ndarray
    stream: np.ndarray
    value: np.ndarray


def draw(layout: Layout, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """ids [count, length] and labels [count]: the class of the stream that token 0 asks for."""
    is_marker, stream = _segments(layout, count, rng)
    class_of = rng.integers(layout.classes, size=(count, layout.streams))
    own = np.take_along_axis(class_of, stream, axis=1)
    value = np.where(rng.random(own.shape) < layout.signal, own, rng.integers(layout.classes, size=own.shape))
    ids = np.where(is_marker, layout.first_marker + stream, layout.first_value + value)
    asked = _one_that_occurs(layout, is_marker, stream, rng)
    return np.concatenate([1 + asked[:, None], ids], axis=1), class_of[np.arange(count), asked]


def _segments(layout: Layout, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Where markers stand and to which stream every token after the first belongs, both [count, length − 1]."""
    most = -(-(layout.length - 1) // (SHORTEST + 1))
    lengths = 1 + rng.integers(SHORTEST, LONGEST + 1, size=(count, most))
    starts = np.cumsum(lengths, axis=1) - lengths
    is_marker = np.zeros((count, layout.length - 1), dtype=bool)
    row, segment = np.nonzero(starts < layout.length - 1)
    is_marker[row, starts[row, segment]] = True
    steps = rng.integers(1, layout.streams, size=(count, most))
    steps[:, 0] = rng.integers(layout.streams, size=count)
    marker = np.cumsum(steps, axis=1) % layout.streams
    return is_marker, np.take_along_axis(marker, is_marker.cumsum(axis=1) - 1, axis=1)


def _one_that_occurs(layout: Layout, is_marker: np.ndarray, stream: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A stream with at least one value in the text, each as likely as another, [count]."""
    occurs = np.stack([((stream == s) & ~is_marker).any(axis=1) for s in range(layout.streams)], axis=1)
    return np.where(occurs, rng.random(occurs.shape), -1.0).argmax(axis=1)


def read(layout: Layout, ids: np.ndarray) -> Reading:
    """Take texts apart again."""
    is_marker = (ids >= layout.first_marker) & (ids < layout.first_value)
    at = np.where(is_marker, np.arange(ids.shape[1]), 0)
    last = np.take_along_axis(ids, np.maximum.accumulate(at, axis=1), axis=1)
    is_value = ids >= layout.first_value
    return Reading(is_value, last - layout.first_marker, np.where(is_value, ids - layout.first_value, 0))


def mode(layout: Layout, reading: Reading, counted: np.ndarray) -> np.ndarray:
    """The most frequent value among the tokens ``counted`` [n, N]; the lowest where several are, [n]."""
    n = len(counted)
    row, place = np.nonzero(counted & reading.is_value)
    flat = row * layout.classes + reading.value[row, place]
    return np.bincount(flat, minlength=n * layout.classes).reshape(n, layout.classes).argmax(axis=1)
