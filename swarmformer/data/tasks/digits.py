"""Handwritten digits that come with scikit-learn: 1,797 real images of 8 × 8 pixels, read as 64 tokens."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tasks.pixels import Linear
from swarmformer.errors import DataError, SpecError
from swarmformer.registry import register

SPLITTER = 1
"""Part of the identity: raise it when the same options come to give other splits."""
PIXELS, LEVELS, CLASSES = 64, 17, 10
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of pixels and labels as bytes, in scikit-learn's order."""


@register("task", "digits")
class Digits(Task):
    """Which digit is it? Grey levels 0 to 16, row by row, are the tokens; no download.

    The images are the test part of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998, UCI), which
    scikit-learn ships without a split and without the names of its 13 writers: so one writer's digits may stand on
    both sides of ours. Each digit is shared out alike: of each, ``test`` and ``validation`` are drawn with ``seed``.

    Args:
        test, validation: shares of every digit, drawn one after the other; the rest is for training.
        seed: of the draw.
    """

    num_classes = CLASSES
    classes = tuple(map(str, range(CLASSES)))
    vocabulary = ("[PAD]", *map(str, range(LEVELS)))
    of_places = True
    test_options = ({"test": 0.1, "validation": 0.05},)

    def __init__(self, *, test: float = 0.3, validation: float = 0.1, seed: int = 0) -> None:
        if not (test > 0 and validation > 0 and test + validation < 1):
            raise SpecError(f"task digits: test ({test}) and validation ({validation}) must be positive shares of a "
                            "whole, and leave something to train on")  # fmt: skip
        self.shares, self.seed = {"test": test, "validation": validation}, seed

    def identity(self) -> dict[str, Any]:
        return {"splitter": SPLITTER, "sha256": SHA256, "seed": self.seed, **self.shares}

    def load(self) -> dict[str, RawSplit]:
        pixels_nP, labels_n = _images()
        rows = self._rows(labels_n)
        return {name: _split(pixels_nP[rows[name]], labels_n, rows[name]) for name in ("train", "validation", "test")}

    def _rows(self, labels_n: np.ndarray) -> dict[str, np.ndarray]:
        """Rows of each split, in the order of the source."""
        rng, of_split = np.random.default_rng((abs(self.seed), self.seed < 0)), np.full(len(labels_n), "train", "U10")
        for digit in range(CLASSES):
            shuffled, start = rng.permutation(np.flatnonzero(labels_n == digit)), 0
            for name, share in self.shares.items():
                end = start + max(1, round(share * len(shuffled)))
                of_split[shuffled[start:end]], start = name, end
        return {name: np.flatnonzero(of_split == name) for name in ("train", "validation", "test")}

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """What the levels tell without their places, and what they tell in place, each to a linear classifier."""
        return {
            "bag of pixels (logistic regression on counts of grey levels)": Linear(_counts, train),
            "logistic regression on pixels in place": Linear(_in_place, train),
        }


def _images() -> tuple[np.ndarray, np.ndarray]:
    """Pixels [n, 64] and labels [n], int64.

    Raises:
        DataError: scikit-learn ships other images than those that results are known for.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels_nP, labels_n = found.data.astype(np.int64), found.target.astype(np.int64)
    read = hashlib.sha256(pixels_nP.astype(np.uint8).tobytes() + labels_n.astype(np.uint8).tobytes()).hexdigest()
    if read != SHA256:
        raise DataError(f"task digits: scikit-learn's images are not those of old (SHA-256 {read[:12]}…, expected "
                        f"{SHA256[:12]}…): install another version of scikit-learn")  # fmt: skip
    return pixels_nP, labels_n


def _split(pixels_nP: np.ndarray, labels_n: np.ndarray, rows: np.ndarray) -> RawSplit:
    """The number of an image is its row in the source, whatever the split."""
    texts = [" ".join(map(str, image)) for image in pixels_nP.tolist()]
    return RawSplit(texts, labels_n[rows], [f"digits/{row}" for row in rows.tolist()])


def _in_place(split: RawSplit) -> np.ndarray:
    """Grey levels from 0 to 1, [n, 64]."""
    return np.array([text.split(" ") for text in split.texts]).astype(np.float64) / (LEVELS - 1)


def _counts(split: RawSplit) -> np.ndarray:
    """Share of the pixels that have each grey level, [n, 17]."""
    levels = (_in_place(split) * (LEVELS - 1)).round().astype(np.int64)
    return np.stack([np.bincount(row, minlength=LEVELS) for row in levels]) / PIXELS
