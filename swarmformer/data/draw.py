"""Which examples are held out: drawn at random, whole groups where there are any, of every class its share if asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from swarmformer.data.task import RawSplit
from swarmformer.errors import listed

logger = logging.getLogger("swarmformer.data")

USUAL_SHARE = 0.1
"""Of the training examples, for validation."""
Drawn = tuple[np.ndarray, Sequence[int]]
"""Mask of the examples drawn, and those that were passed over for want of others of their class."""


def numbered(groups: Sequence[str] | np.ndarray) -> np.ndarray:
    """A number for each example that those of its group have too, int64 [n]; in the order of the groups' names."""
    if isinstance(groups, np.ndarray):
        return np.unique(groups, return_inverse=True)[1]
    number = {name: place for place, name in enumerate(sorted(set(groups)))}  # an array has the longest name's width
    return np.fromiter((number[name] for name in groups), np.int64, len(groups))


def drawn(
    split: RawSplit,
    fraction: float,
    rng: np.random.Generator,
    *,
    groups: np.ndarray | None = None,
    stratify: bool = False,
) -> np.ndarray:
    """Mask of the examples of randomly drawn whole groups, at most ``fraction`` of all; without ``groups`` each example
    is one. A group is passed over, and told, that would leave behind no example of a class of whole texts.

    Args:
        stratify: at most ``fraction`` of each class, but at least one example of every class that has two; a group is
            passed over that does not fit.
    """
    labels = np.asarray(split.labels) if split.questions is None else np.zeros(len(split), dtype=np.int64)
    counts = np.bincount(labels)
    if stratify:
        each = np.round(fraction * counts).astype(np.int64)
        kinds, free = labels, np.clip(each, counts > 1, np.maximum(counts - 1, 0))
    else:
        kinds, free = np.zeros_like(labels), np.array([round(fraction * len(split))])
    if groups is None:
        chosen, kept = _drawn_singly(labels, kinds, free, rng)
    else:
        chosen, kept = _drawn_whole(groups, labels, kinds, free, rng)
    if len(kept):
        names = listed([split.ids[row] for row in kept])
        logger.warning("kept in training, as without it, or its group, a class would have no example there: %s. "
                       "Nothing needs to be done; more examples of that class would let the other split have some",
                       names)  # fmt: skip
    return chosen


def _drawn_singly(labels: np.ndarray, kinds: np.ndarray, free: np.ndarray, rng: np.random.Generator) -> Drawn:
    """``free`` examples of each kind, in random order; the last of a class in this order stays behind."""
    order = rng.permutation(len(labels))
    is_last = _ranks(labels[order]) == np.bincount(labels)[labels[order]] - 1
    open_to = order[~is_last]
    fits = _ranks(kinds[open_to]) < free[kinds[open_to]]
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[open_to[fits]] = True
    if len(free) > 1:
        return chosen, ()  # of no kind more than all but one are free
    full = np.flatnonzero(~is_last)[fits].max(initial=-1) if fits.sum() == free[0] else len(order)
    return chosen, order[: full + 1][is_last[: full + 1]].tolist()


def _ranks(values: np.ndarray) -> np.ndarray:
    """How many equal values stand before each."""
    order = np.argsort(values, kind="stable")
    starts = np.cumsum(np.bincount(values, minlength=1)) - np.bincount(values, minlength=1)
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.arange(len(values)) - starts[values[order]]
    return ranks


def _drawn_whole(
    groups: np.ndarray, labels: np.ndarray, kinds: np.ndarray, free: np.ndarray, rng: np.random.Generator
) -> Drawn:
    """Groups in random order, each where it fits into what is ``free`` of every kind."""
    rows_of = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    left, free = np.bincount(labels), free.copy()
    chosen, kept = np.zeros(len(labels), dtype=bool), list[int]()
    for rows in (rows_of[group] for group in rng.permutation(len(rows_of))):
        sizes = np.bincount(kinds[rows], minlength=len(free))
        if (sizes > free).any():
            continue
        classes, counts = np.unique(labels[rows], return_counts=True)
        if (left[classes] == counts).any():
            kept.append(int(rows[0]))
            continue
        left[classes] -= counts
        free -= sizes
        chosen[rows] = True
    return chosen, kept
