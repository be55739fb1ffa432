"""Pathfinder: pictures of dashed paths, drawn for many pictures at once with whole numbers alone.

Distances are Chebyshev's, max(|Δy|, |Δx|). Within a path there is one dark pixel between two dashes, so that the next
dash starts 2 away; pixels of unlike paths, circles included, are at least 3 apart. So what hangs together at a distance
of 2 is one path, on every machine: no floating point has a say.

Pictures have a border while they are drawn, where nothing may be; pixels are numbered row by row, border included, and
P stands for pixels.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from swarmformer.errors import DataError

BATCH = 200
"""Pictures drawn together. Part of what the examples are, as the pictures of a batch share their random numbers."""
HEADINGS, BEND = 24, 3
"""Directions of a dash, and how many of them it may turn away from the dash before: 45 degrees."""
GAP, APART = 2, 3
PLACES, TRIES, FRUITLESS = 8, 12, 4
"""Starts to choose from in a try, tries for a path, and rounds without a new picture before giving up."""
WAITING = 16
"""Pictures of one place that wait for one of the other answer: more would be memory for pairs that seldom come."""


@dataclass(frozen=True)
class Layout:
    """side: pixels. dashes: of either long path. dash: pixels of each. distractors: short paths, if there is room."""

    side: int
    dashes: int
    dash: int
    distractors: int

    @property
    def border(self) -> int:
        """As far as a dash that leaves the picture may reach."""
        return self.dash + GAP + APART

    @property
    def width(self) -> int:
        return self.side + 2 * self.border

    def square(self, reach: int) -> np.ndarray:
        """The pixels at most ``reach`` from a pixel, itself included, as differences of their numbers."""
        steps = np.arange(-reach, reach + 1)
        return (steps[:, None] * self.width + steps).ravel()

    @cached_property
    def circle(self) -> np.ndarray:
        """A square of 3 × 3 pixels around its centre."""
        return self.square(1)

    @cached_property
    def around(self) -> np.ndarray:
        """What must be free of other paths around a pixel."""
        return self.square(APART - 1)

    @cached_property
    def strides(self) -> np.ndarray:
        """The pixels of a line from its first, [HEADINGS, pixels], as differences of numbers: the k-th is k away."""
        lines = np.zeros((HEADINGS, max(self.dash, GAP + 1)), dtype=np.int64)
        for heading in range(HEADINGS):
            y, x = math.sin(2 * math.pi * heading / HEADINGS), math.cos(2 * math.pi * heading / HEADINGS)
            longest = max(abs(y), abs(x))
            for k in range(lines.shape[1]):  # rounded twice: the sine's last digits differ between machines
                lines[heading, k] = round(round(k * y / longest, 6)) * self.width + round(round(k * x / longest, 6))
        return lines


class Drawn(NamedTuple):
    """Pictures uint8 [n, side, side], labels int64 [n], and how far the circles are apart, [n, (more, less)].

    The latter of |Δy| and |Δx|, the larger first.
    """

    pictures: np.ndarray
    labels: np.ndarray
    apart: np.ndarray


def draw(layout: Layout, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [count, side, side] of 0 and 1, and labels int64 [count]: 1 where one path joins both circles.

    They come in twos, one of each answer, whose circles are equally far apart along both axes, whichever is which: how
    far, and how slanting, tells nothing. About half of what is drawn finds no such other and is left out.

    Raises:
        DataError: the paths do not fit, or pictures of the two answers are never alike.
    """
    kept, waiting = list[tuple[np.ndarray, int]](), defaultdict[tuple[int, ...], list[tuple[np.ndarray, int]]](list)
    fruitless = 0
    while len(kept) < count:
        before = len(kept)
        for picture, label, apart in zip(*drawn_once(layout, rng), strict=True):
            alike, one = waiting[tuple(apart.tolist())], (picture.copy(), int(label))
            if alike and alike[-1][1] != label:
                kept += [alike.pop(), one]
            elif len(alike) < WAITING:
                alike.append(one)
        fruitless = 0 if len(kept) > before else fruitless + 1
        if fruitless == FRUITLESS:
            raise DataError("task pathfinder: circles of one path are never as far apart as those of two: make side "
                            "or dashes larger")  # fmt: skip
    pictures, labels = zip(*kept[:count], strict=True)
    return np.stack(pictures), np.array(labels, dtype=np.int64)


def drawn_once(layout: Layout, rng: np.random.Generator) -> Drawn:
    """``BATCH`` pictures as they come, half of them of each answer; what is drawn does not hang on the answer, only the
    ends that get the circles do.

    Raises:
        DataError: the paths do not fit.
    """
    near, paths = _long_paths(layout, rng)
    white, everywhere = np.zeros_like(near), np.arange(BATCH)
    for path in paths:
        _set(white, everywhere, path)
    for _ in range(layout.distractors):
        rows, path = _fit(near, layout, max(2, layout.dashes // 3), False, rng)
        _set(white, rows, path)
        _set(near, rows, _each(path, layout.around))
    coin = rng.integers(2, size=BATCH // 2)
    labels = np.stack([coin, 1 - coin], axis=1).ravel()
    circled = _circled(paths[:, :, [0, -1]], labels, layout.width, rng)
    _set(white, everywhere, _each(circled, layout.circle))
    inside = slice(layout.border, layout.border + layout.side)
    pictures = white.reshape(BATCH, layout.width, layout.width)[:, inside, inside]
    apart = np.abs(np.diff(np.divmod(circled, layout.width), axis=2))[:, :, 0].T
    return Drawn(pictures.astype(np.uint8), labels.astype(np.int64), -np.sort(-apart, axis=1))


def _circled(ends: np.ndarray, labels: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """The two pixels to circle [n, 2], of ``ends`` [2 paths, n, 2 ends]: both of one path, or one of each.

    Of the four pairs of one of each it is the one whose distance is most like that of one path's ends: or else circles
    far apart would tell of two paths.
    """
    rows, path = np.arange(len(labels)), rng.integers(2, size=len(labels))
    own, other = ends[path, rows], ends[1 - path, rows]
    pairs = np.stack([np.repeat(own, 2, axis=1), np.tile(other, 2)], axis=2)
    unlike = np.abs(_distance(pairs, width) - _distance(own, width)[:, None]).argmin(axis=1)
    return np.where(labels[:, None] == 1, own, pairs[rows, unlike])


def _distance(pairs: np.ndarray, width: int) -> np.ndarray:
    """Of two pixels each, […, 2] → […]."""
    return np.abs(np.diff(np.divmod(pairs, width), axis=-1)).max(axis=0)[..., 0]


def _long_paths(layout: Layout, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What is too near for other paths [n, P], and the pixels of two long paths in order [2, n, dashes · dash]."""
    border = np.zeros((layout.side, layout.side), dtype=bool)
    empty = np.pad(border, layout.border, constant_values=True).ravel()
    near, left = np.empty((BATCH, len(empty)), dtype=bool), np.arange(BATCH)
    paths = np.empty((2, BATCH, layout.dashes * layout.dash), dtype=np.int64)
    fruitless = 0
    while fruitless < FRUITLESS:
        near[left] = empty
        rows = left
        for path in paths:
            found, pixels = _fit(near[rows], layout, layout.dashes, True, rng)
            rows = rows[found]
            path[rows] = pixels
            with_circles = np.concatenate([pixels, _each(pixels[:, [0, -1]], layout.circle)], axis=1)
            _set(near, rows, _each(with_circles, layout.around))
        left = np.setdiff1d(left, rows)
        if not left.size:
            return near, paths
        fruitless = 0 if len(rows) else fruitless + 1
    raise DataError(f"task pathfinder: two paths of {layout.dashes} dashes of {layout.dash} pixels do not fit into "
                    f"{layout.side} × {layout.side}: make side larger, or ask for fewer or shorter dashes")  # fmt: skip


def _fit(
    near: np.ndarray, layout: Layout, dashes: int, has_ends: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A path that keeps clear of ``near`` [n, P]: the pictures where one was found [m], and its pixels [m, P].

    As many walks are tried at once as a batch has pictures, so that the last pictures left are not slow.
    """
    paths, found = np.empty((len(near), dashes * layout.dash), dtype=np.int64), np.zeros(len(near), dtype=bool)
    for _ in range(TRIES):
        if found.all():
            break
        left = np.flatnonzero(~found)
        pictures = np.repeat(left, BATCH // len(left))
        walks, ended = _walk(near[pictures], layout, dashes, has_ends, rng)
        done, first = np.unique(pictures[ended], return_index=True)
        paths[done], found[done] = walks[first], True
    return np.flatnonzero(found), paths[found]


def _walk(
    taken: np.ndarray, layout: Layout, dashes: int, has_ends: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One try in each picture: dash after dash, each in the first of some directions where there is room.

    Returns:
        The paths that came to their end [m, P], and their pictures [m].
    """
    rows, path = np.arange(len(taken)), np.empty((len(taken), 0), dtype=np.int64)
    heading, last = rows, np.empty((len(taken), 0), dtype=np.int64)
    for step in range(dashes):
        first, turns = _onward(layout, path[:, -1], heading, rng) if step else _starts(layout, len(rows), rng)
        drawn = first[:, :, None] + layout.strides[turns, : layout.dash]
        reserved = drawn
        if has_ends and step in (0, dashes - 1):
            reserved = np.concatenate([drawn, drawn[:, :, [-1 if step else 0]] + layout.circle], axis=2)
        free = ~taken[np.arange(len(rows))[:, None, None], reserved].any(axis=2)
        alive = np.flatnonzero(free.any(axis=1))
        choice = free[alive].argmax(axis=1)
        rows, heading, taken = rows[alive], turns[alive, choice], taken[alive]
        path = np.concatenate([path[alive], drawn[alive, choice]], axis=1)
        _set(taken, np.arange(len(rows)), _each(last[alive], layout.around))
        last = reserved[alive, choice]  # the next dash may be near this one
    return path, rows


def _starts(layout: Layout, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """First pixels and headings to choose from, [n, PLACES]."""
    y, x = layout.border + rng.integers(layout.side, size=(2, n, PLACES))
    return y * layout.width + x, rng.integers(HEADINGS, size=(n, PLACES))


def _onward(
    layout: Layout, end: np.ndarray, heading: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """After a dash that ends there [n], every first pixel and heading of the next, in random order [n, turns]."""
    order = rng.random((len(end), 2 * BEND + 1)).argsort(axis=1)
    turns = (heading[:, None] + order - BEND) % HEADINGS
    return end[:, None] + layout.strides[turns, GAP], turns


def _each(pixels: np.ndarray, around: np.ndarray) -> np.ndarray:
    """The pixels around each of [n, P], [n, P · around]."""
    return (pixels[:, :, None] + around).reshape(len(pixels), pixels.shape[1] * len(around))


def _set(mask: np.ndarray, rows: np.ndarray, pixels: np.ndarray) -> None:
    """Set ``mask`` [n, P] at pixels [m, P] of some rows [m]."""
    mask[rows[:, None], pixels] = True
