"""``keep_weights: best``: one model an arm, by validation, whatever was interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.execute.kept import REMOVED, keep_best, lacking
from tests.reports.synthetic_runs import metrics, result

ACCURACIES = {("a", 0): 0.7, ("a", 1): 0.8, ("a", 2): 0.8, ("b", 0): 0.6, ("b", 1): 0.5, ("b", 2): 0.4}
"""On validation; on test it is the other way round."""


@pytest.fixture
def grid(tmp_path: Path) -> tuple[Any, Path]:
    """Two arms with three seeds, all finished, each with its model."""
    for (arm, seed), accuracy in ACCURACIES.items():
        cell = tmp_path / f"{arm}-s{seed}"
        (cell / "model").mkdir(parents=True)
        (cell / "model" / "model.safetensors").write_text("weights")
        found = result(arm, seed, 0.5, metrics={"validation": metrics(accuracy), "test": metrics(1 - accuracy)})
        (cell / "result.json").write_text(json.dumps(found))

    def cells_by_arm(only: str | None = None) -> Iterator[list[Any]]:
        for arm in ("a", "b"):
            if only in (None, arm):
                yield [
                    SimpleNamespace(spec=SimpleNamespace(seed=seed), folder=lambda at, n=f"{arm}-s{seed}": at / n)
                    for seed in range(3)
                ]

    return SimpleNamespace(cells_by_arm=cells_by_arm, metric="accuracy", grid=SimpleNamespace()), tmp_path


def kept(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/model")} | {path.name for path in folder.glob(f"*/{REMOVED}")}


def test_the_best_by_validation_stays_and_the_lower_seed_of_equals(grid: tuple[Any, Path]) -> None:
    keep_best(*grid)
    assert kept(grid[1]) == {"a-s1", "b-s0"}
    keep_best(*grid)
    assert kept(grid[1]) == {"a-s1", "b-s0"}


def test_running_text_is_judged_by_what_its_trials_are_judged_by(grid: tuple[Any, Path]) -> None:
    """Not by the loss, which may say the opposite."""
    for (arm, seed), accuracy in ACCURACIES.items():
        of_text = {**metrics(accuracy), "loss": accuracy, "perplexity": 2.0, "bits_per_byte": 1.0}
        found = result(arm, seed, 0.5, metrics={"validation": of_text, "test": of_text})
        (grid[1] / f"{arm}-s{seed}" / "result.json").write_text(json.dumps(found))
    keep_best(*grid)
    assert kept(grid[1]) == {"a-s1", "b-s0"}


def test_what_runs_or_has_no_weights_is_left_alone(grid: tuple[Any, Path]) -> None:
    plan, folder = grid
    (folder / "a-s1" / "result.json").unlink()  # its model is written, its result not yet
    (folder / "b-s0" / "model" / "model.safetensors").unlink()
    (folder / "b-s0" / "model").rmdir()  # finished before weights were asked for
    keep_best(plan, folder)
    assert kept(folder) == {"a-s1", "a-s2", "b-s1"}


def test_a_removal_that_was_killed_is_finished(grid: tuple[Any, Path]) -> None:
    plan, folder = grid
    (folder / "a-s0" / "model").rename(folder / "a-s0" / REMOVED)
    (folder / "b-s1" / REMOVED).mkdir()
    keep_best(plan, folder)
    assert kept(folder) == {"a-s1", "b-s0"}


@pytest.mark.parametrize(("asked", "found"), [
    (True, ["a-s1", "b-s0", "b-s1", "b-s2"]), ("best", ["b-s0", "b-s1", "b-s2"]), (False, []),
])  # fmt: skip
def test_models_that_are_asked_for_too_late_are_told(
    asked: bool | str, found: list[str], grid: tuple[Any, Path]
) -> None:
    plan, folder = grid
    plan.grid.keep_weights = asked
    assert lacking(plan, folder) == []
    for cell in ("a-s1", "b-s0", "b-s1", "b-s2"):
        shutil.rmtree(folder / cell / "model")
    (folder / "a-s0" / "result.json").unlink()  # not finished: it will have one
    shutil.rmtree(folder / "a-s0" / "model")
    assert [path.name for path in lacking(plan, folder)] == found
