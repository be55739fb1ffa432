"""Runs that did not leave the majority class are told above the tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reports.study.majority import is_stuck
from swarmformer.records import Answers, Asked, Predictions, save_predictions
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_runs import only

LABELS = np.array([0] * 60 + [1] * 40)
LEARNED = np.where(np.arange(100) % 10, LABELS, 1 - LABELS)
"""Nine of ten are right."""


def answers(given: np.ndarray, labels: np.ndarray = LABELS) -> Answers:
    return Answers(Asked.of([f"test/{row}" for row in range(len(labels))], labels.tolist()), given)


def run(folder: Path, arm: str, seed: int, given: np.ndarray) -> None:
    """A finished run with these answers."""
    found = Predictions(np.array([f"test/{row}" for row in range(100)]), LABELS, np.eye(2)[given])
    test = {**runs.metrics(float(found.correct.mean()), n=100), "loss": found.loss}
    runs.write_cell(folder, runs.result(arm, seed, 0.4, metrics={"validation": runs.metrics(0.4), "test": test}))
    save_predictions(folder / f"{arm}-{seed}", found)


def warned(folder: Path) -> list[str]:
    return [warning for warning in only(folder).warnings if "most frequent class" in warning]


def test_arms_with_runs_that_learned_nothing_are_named(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", {"base": {}, "x": {}, "y": {}}, seeds=[0, 1])
    for arm, stuck in (("base", ()), ("x", (0, 1)), ("y", (1,))):
        for seed in (0, 1):
            run(folder, arm, seed, np.zeros(100, int) if seed in stuck else LEARNED)
    (warning,) = warned(folder)
    assert "class (60.00 %)" in warning and "x (2 of 2 runs), y (1 of 2 runs)." in warning and "base (" not in warning
    (folder / "x-0" / "predictions.npz").write_bytes(b"PK damaged")
    (warning,) = warned(folder)
    assert "x (1 of 1 run), y (1 of 2 runs)." in warning, "what cannot be read is told by another warning"


def test_nothing_is_said_where_all_learned_or_kept_no_predictions(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", {"base": {}, "x": {0: 0.5}}, seeds=[0])
    run(folder, "base", 0, LEARNED)
    assert warned(folder) == []


@pytest.mark.parametrize(("share", "n"), [(0.5, 1000), (0.6, 100), (0.1, 4000), (0.9, 500)])
def test_a_run_is_stuck_as_far_as_chance_about_the_majority_goes(share: float, n: int) -> None:
    """The bound is a hundredth or two from the exact one of the binomial distribution."""
    classes = max(2, round(1 / share))
    frequent = round(share * n)
    labels = np.concatenate([np.zeros(frequent, int), 1 + np.arange(n - frequent) % (classes - 1)])
    bound = stats.binom.ppf(0.975, n, frequent / n)

    def with_right(right: int) -> Answers:
        """So many right, and the wrong ones spread over other classes."""
        is_right = np.random.default_rng(0).permutation(n) < right
        return answers(np.where(is_right, labels, (labels + 1) % classes), labels)

    assert is_stuck(with_right(frequent)) and is_stuck(with_right(frequent // 2))
    assert is_stuck(with_right(int(0.985 * bound))) and not is_stuck(with_right(int(1.03 * bound) + 1))


def test_one_answer_to_nearly_all_is_stuck_unless_nearly_all_are_of_one_class() -> None:
    labels = np.array([0] * 9600 + [1] * 400)
    one_answer = np.where(np.arange(10_000) < 9920, 0, labels)  # 80 of the rare class are found, far above chance
    assert is_stuck(answers(one_answer, labels)) and not is_stuck(answers(labels, labels))
    rare = np.array([0] * 9920 + [1] * 80)
    assert not is_stuck(answers(rare, rare)), "all are right"
