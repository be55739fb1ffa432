from __future__ import annotations

import hashlib
from collections import deque

import numpy as np
import pytest

from swarmformer.data.predictors import compute_predictors
from swarmformer.data.tasks.pathfinder import Pathfinder, circles
from swarmformer.data.tasks.pathfinder_drawing import Layout, draw
from swarmformer.errors import DataError, SpecError

FEW = {"num_train": 400, "num_validation": 10, "num_test": 100}
TASK = Pathfinder(**FEW)
SPLITS = TASK.load()


def pictures_of(texts: list[str], side: int = 32) -> np.ndarray:
    return np.array([[int(sign) for sign in text.split(" ")] for text in texts]).reshape(-1, side, side)


def reached(picture: np.ndarray, start: tuple[int, int]) -> set[tuple[int, int]]:
    """White pixels that steps of at most two pixels lead to, one after another."""
    white = set(map(tuple, np.argwhere(picture).tolist()))
    seen, queue = {start}, deque([start])
    while queue:
        y, x = queue.popleft()
        near = {(y + dy, x + dx) for dy in range(-2, 3) for dx in range(-2, 3)} & white - seen
        seen |= near
        queue.extend(near)
    return seen


def test_the_label_says_whether_the_dashes_lead_from_circle_to_circle() -> None:
    pictures, labels = pictures_of(SPLITS["test"].texts), SPLITS["test"].labels
    for picture, label in zip(pictures, labels, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3)).all(axis=(2, 3))
        (first, second) = (tuple(int(place) + 1 for place in at) for at in np.argwhere(windows))
        assert (second in reached(picture, first)) == label


def test_two_long_paths_and_their_distractors_are_all_there() -> None:
    """Six dashes of three pixels twice, two dashes four times, and two circles whose ends belong to a dash."""
    pictures = pictures_of(SPLITS["test"].texts)
    assert pictures.sum(axis=(1, 2)).max() == 2 * 18 + 4 * 6 + 2 * (9 - 2)
    assert (pictures.sum(axis=(1, 2)) == pictures.sum(axis=(1, 2)).max()).mean() > 0.9, "room for nearly all"
    for picture in pictures[:9]:
        assert 3 <= len({min(reached(picture, (y, x))) for y, x in np.argwhere(picture).tolist()}) <= 6


def test_labels_are_balanced_and_the_circles_alone_tell_little() -> None:
    assert all(abs(split.labels.mean() - 0.5) <= 1 / len(split) for split in SPLITS.values())
    pictures, labels = draw(Layout(32, 14, 2, 3), 1000, np.random.default_rng(0))
    far = np.abs(np.diff(circles(pictures), axis=1)).max(axis=(1, 2))
    assert far[labels == 1].mean() == pytest.approx(far[labels == 0].mean(), rel=0.05)
    assert (pictures[labels == 1].mean(), pictures[labels == 0].mean()) == pytest.approx((0.0918, 0.0918), abs=2e-4)


def test_floors_and_oracle_are_those_of_the_generator() -> None:
    rows = compute_predictors(TASK, validation_fraction=0.1, split_seed=0)
    found = {row["name"]: (row["kind"], row["accuracy"]) for row in rows}
    assert list(found) == ["majority class", "distance of the circles", "oracle: following the dashes"]
    assert found["majority class"] == ("baseline", 0.5) and found["oracle: following the dashes"] == ("oracle", 1.0)
    assert 0.4 < found["distance of the circles"][1] < 0.8, "learnt of 400 pictures"


def test_a_seed_gives_the_same_pictures_everywhere_and_whatever_else_is_asked_for() -> None:
    """As one digest, which machines, processes and hash seeds have in common."""
    digests = [hashlib.sha256("".join(task.load()["test"].texts[:100]).encode()).hexdigest()
               for task in (TASK, Pathfinder(num_train=2, num_validation=6, num_test=120))]  # fmt: skip
    known = "71705465d12469bdc3d7206b4f06b3d5a9c82256cc47689f429efb039ce4ac06"
    assert digests == [known] * 2, "raise GENERATOR: the same options give other pictures"
    assert Pathfinder(seed=4).identity() != Pathfinder(seed=3).identity()


def test_patches_are_the_same_pictures_in_another_order() -> None:
    rows, patches = (Pathfinder(side=16, dashes=3, dash=2, distractors=1, patch=patch, num_train=2, num_validation=2,
                                num_test=4) for patch in (0, 4))  # fmt: skip
    plain, parted = rows.load()["test"], patches.load()["test"]
    whole = pictures_of(plain.texts, 16)
    tiles = [whole[:, y : y + 4, x : x + 4].reshape(-1, 16) for y in range(0, 16, 4) for x in range(0, 16, 4)]
    assert (pictures_of(parted.texts, 16).reshape(-1, 256) == np.concatenate(tiles, axis=1)).all()
    (follow,) = patches.oracles(parted).values()
    assert (follow(parted.without_labels()) == plain.labels).all()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(DataError, match="two paths of 30 dashes of 4 pixels do not fit into 16 × 16"):
        draw(Layout(16, 30, 4, 0), 1, np.random.default_rng(0))
    for options, words in (
        ({"side": 8}, "side must be at least 16"),
        ({"dashes": 1}, "dashes must be at least 2"),
        ({"distractors": -1}, "distractors must be 0 or more"),
        ({"patch": 5}, "patch must be 0 .* or divide the side, 32"),
        ({"num_test": 0}, "num_test must be at least 1"),
    ):
        with pytest.raises(SpecError, match=words):
            Pathfinder(**options)
