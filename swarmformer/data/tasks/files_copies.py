"""Copies of one text in your own files: kept on one side of a cut, and told of where they stand on both."""

from __future__ import annotations

import logging

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from swarmformer.data.draw import numbered
from swarmformer.data.leakage import fingerprints, normalised
from swarmformer.data.task import RawSplit

logger = logging.getLogger("swarmformer.data")


def kept_together(train: RawSplit) -> np.ndarray:
    """A number for each example, [n], one for all that share a group or a text with any of them; an empty text is
    nobody's copy."""
    copies = numbered(fingerprints(normalised(text) or f"\0{number}" for number, text in enumerate(train.texts)))
    if train.groups is None:
        return copies
    groups, n = numbered(train.groups), len(copies)
    of_group, of_copy = n + groups, n + groups.max() + 1 + copies  # beside the examples, a node for each
    rows = np.arange(n)
    edges = np.concatenate([rows, rows]), np.concatenate([of_group, of_copy])
    size = int(of_copy.max()) + 1
    joined = connected_components(coo_array((np.ones(2 * n, dtype=bool), edges), shape=(size, size)), directed=False)[1]
    return numbered(joined[:n])


def warn_of_copies(splits: dict[str, RawSplit]) -> None:
    """Of each other split, texts and groups that ``train`` has too."""
    seen = fingerprints(splits["train"].texts)
    groups = set(splits["train"].groups or ())
    for name in splits.keys() - {"train"}:
        copies = int(np.isin(fingerprints(splits[name].texts), seen).sum())
        if copies:
            logger.warning("%d of %d texts in %s are also in train", copies, len(splits[name]), name)
        if shared := groups & set(splits[name].groups or ()):
            logger.warning("%d groups of %s are also in train, %r for one", len(shared), name, min(shared))
