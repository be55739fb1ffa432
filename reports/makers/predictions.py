"""Which test examples the runs of an arm got right, for tests on examples."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..cell_files import Predictions, read_predictions
from ..errors import UnreadableFileError
from ..view import View

Correct = dict[str, dict[int, NDArray[np.bool_]]]


def correct_of(seen: View, arms: Iterable[str]) -> tuple[Correct, list[str]]:
    """Arm → seed → right or wrong per example, in one order; and a warning where predictions cannot be used.

    An arm is there only where every run of it has predictions, of the same examples as the others'.
    """
    found: Correct = {}
    warnings: list[str] = []
    asked: tuple[NDArray[np.str_], NDArray[np.int64]] | None = None
    for arm in arms:
        try:
            runs = _read(seen, arm)
        except UnreadableFileError as error:
            warnings.append(f"Predictions left out: {seen.grid.folder.name}/{error.path.parent.name}: {error.reason}.")
            continue
        if not runs or any(one is None for one in runs.values()):
            continue
        ordered = {seed: _ordered(one) for seed, one in runs.items() if one is not None}
        asked = asked or next((names, labels) for names, labels, _ in ordered.values())
        if any(not (np.array_equal(asked[0], names) and np.array_equal(asked[1], labels))
               for names, labels, _ in ordered.values()):  # fmt: skip
            warnings.append(f"Predictions of {arm} left out: they are of other examples than the first arm's.")
            continue
        found[arm] = {seed: right for seed, (_, _, right) in ordered.items()}
    return found, warnings


def _read(seen: View, arm: str) -> dict[int, Predictions | None]:
    rows = seen.of(arm)
    folders = [seen.grid.folder / Path(where).name for where in rows["where"]]
    return {int(seed): read_predictions(folder) for seed, folder in zip(rows["seed"], folders, strict=True)}


def _ordered(one: Predictions) -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.bool_]]:
    order = np.argsort(one.names, kind="stable")
    return one.names[order], one.labels[order], one.correct[order]
