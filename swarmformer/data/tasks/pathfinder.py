"""Pathfinder (Long Range Arena): does one dashed path join the two circles? Drawn on the spot."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tasks.generated import Counts, check_counts, check_distinct, rng_of
from swarmformer.data.tasks.pathfinder_drawing import Layout, draw
from swarmformer.data.tasks.pixels import check_patch, in_reading_order, in_rows
from swarmformer.errors import SpecError
from swarmformer.registry import register

GENERATOR = 2
"""Part of the identity: raise it when the same options come to give other examples."""


@register("task", "pathfinder")
class Pathfinder(Task):
    """Does one dashed path join the two circles? 2 classes, alike in everything but which ends are circled.

    After Linsley et al. 2018 and the task of the Long Range Arena (Tay et al. 2021, section 2.2.5): two long paths of
    dashes that do not meet, shorter ones to distract, and two circles, at both ends of one long path or at an end of
    each. Ours are black and white, one token a pixel, and drawn with whole numbers, so that a seed gives the same
    pictures everywhere; they are not the pictures that published figures are of. Of every distance and slant of the
    circles there are as many of each answer; where in the picture they stand still tells a little.

    Args:
        side: pixels of a picture, which is side² tokens.
        dashes: of each long path; a third of them in a distractor. The arena's hardest have 14.
        dash: length of a dash in pixels; one dark pixel comes after it.
        distractors: as many as find room.
        patch: 0 to read pixels row by row; p to read squares of p × p pixels one after another.
        seed: of the examples; test and validation do not depend on how much training data is asked for.
    """

    VERSION = 2
    num_classes = 2
    classes = ("two paths", "one path")
    vocabulary = ("[PAD]", "0", "1")
    of_places = True
    without_bags = "all pictures are made of the same two tokens"
    test_options = ({"num_train": 40, "num_validation": 20, "num_test": 20},)

    def __init__(
        self,
        *,
        side: int = 32,
        dashes: int = 6,
        dash: int = 3,
        distractors: int = 4,
        patch: int = 0,
        num_train: int = 20_000,
        num_validation: int = 1_000,
        num_test: int = 2_000,
        seed: int = 0,
    ) -> None:
        self.layout = Layout(side, dashes, dash, distractors)
        self.counts, self.patch, self.seed = Counts(num_train, num_validation, num_test), patch, seed
        check_counts("pathfinder", self.counts)
        check_patch("pathfinder", patch, side)
        for name, value, least in (("side", side, 16), ("dashes", dashes, 2), ("dash", dash, 2)):
            if value < least:
                raise SpecError(f"task pathfinder: {name} must be at least {least}, got {value}")
        if distractors < 0:
            raise SpecError(f"task pathfinder: distractors must be 0 or more, got {distractors}")

    def identity(self) -> dict[str, Any]:
        options = {**asdict(self.layout), **asdict(self.counts), "patch": self.patch}
        return {"generator": GENERATOR, "seed": self.seed, **options}

    def load(self) -> dict[str, RawSplit]:
        splits = {name: self._split(name, count) for name, count in self.counts.by_split.items()}
        check_distinct("pathfinder", splits, "raise dashes or side")
        return splits

    def _split(self, name: str, count: int) -> RawSplit:
        pictures, labels = draw(self.layout, count, rng_of(self.seed, name))
        return RawSplit(_texts(in_reading_order(pictures, self.patch)), labels, [f"{name}/{n}" for n in range(count)])

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        """The more frequent answer, in training, of circles so far apart along both axes: half where it is even."""
        votes = np.zeros((self.layout.side, self.layout.side, 2), dtype=np.int64)
        np.add.at(votes, (*self._apart(train), np.asarray(train.labels)), 1)
        return {"place of the circles": lambda split: votes[self._apart(split)].argmax(axis=1)}

    def oracles(self, train: RawSplit) -> dict[str, Predictor]:
        return {"oracle: following the dashes": self._followed}

    def _apart(self, split: RawSplit) -> tuple[np.ndarray, np.ndarray]:
        """Of the centres of the circles, the larger of |Δy| and |Δx|, and the smaller, [n] each."""
        along = np.abs(np.diff(circles(self._pictures(split)), axis=1))[:, 0]
        return along.max(axis=1), along.min(axis=1)

    def _followed(self, split: RawSplit) -> np.ndarray:
        """1 where the circles are of one component, pixels up to 2 apart being joined."""
        from scipy import ndimage

        pictures = self._pictures(split)
        rows, spread = np.arange(len(pictures)), np.pad(pictures, ((0, 0), (0, 1), (0, 1))) > 0
        for axis in (1, 2):
            spread[:] |= np.roll(spread, 1, axis=axis)  # 2 × 2 pixels for one: touching is at most 2 apart
        flat = np.zeros((3, 3, 3), dtype=bool)
        flat[1] = True
        parts, _ = ndimage.label(spread, structure=flat)
        first, second = np.moveaxis(circles(pictures), 1, 0)
        return (parts[rows, first[:, 0], first[:, 1]] == parts[rows, second[:, 0], second[:, 1]]).astype(np.int64)

    def _pictures(self, split: RawSplit) -> np.ndarray:
        """Pixels uint8 [n, side, side]."""
        signs = np.frombuffer("".join(split.texts).replace(" ", "").encode(), dtype=np.uint8) - ord("0")
        return in_rows(signs.reshape(len(split), -1), self.layout.side, self.patch)


def circles(pictures: np.ndarray) -> np.ndarray:
    """Centres [n, 2 circles, (y, x)] of the squares of 3 × 3 white pixels."""
    inner = pictures.shape[1] - 2
    whole = np.ones((len(pictures), inner, inner), dtype=bool)
    for y, x in np.ndindex(3, 3):
        whole &= pictures[:, y : y + inner, x : x + inner] > 0
    return np.argwhere(whole)[:, 1:].reshape(-1, 2, 2) + 1


def _texts(signs_nN: np.ndarray) -> list[str]:
    """Rows of 0 and 1 as text with spaces between, at once: there may be a hundred million."""
    n, N = signs_nN.shape
    spaced = np.full((n, 2 * N), ord(" "), dtype=np.uint8)
    spaced[:, ::2] = signs_nN + ord("0")
    return [row[:-1].tobytes().decode() for row in spaced]
