"""McNemar's test from the predictions that runs kept, by the names of examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from swarmformer.records import Predictions, save_predictions
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_runs import only

LABELS = dict(zip("abcdefgh", (0, 1, 0, 1, 1, 0, 1, 0), strict=True))
ASKED = {"base": "dafhbceg", "x": "hgfedcba"}
WRONG = {"base": "acdeg", "x": "b"}
"""Each arm is asked in an order of its own."""


def answer(folder: Path, arm: str, labels: dict[str, int] = LABELS, seed: int = 0) -> Path:
    """Write predictions and the result that is made of them; the cell."""
    cell, names = folder / f"{arm}-{seed}", list(ASKED[arm])
    given = [LABELS[name] ^ (name in WRONG[arm]) for name in names]
    found = Predictions(np.array(names), np.array([labels[name] for name in names]), np.eye(2)[given])
    test = {**runs.metrics(float(found.correct.mean()), n=len(names)), "loss": found.loss}
    runs.write_cell(folder, runs.result(arm, seed, 0.4, metrics={"validation": runs.metrics(0.4), "test": test}))
    save_predictions(cell, found)
    return cell


@pytest.fixture
def answered(tmp_path: Path) -> Path:
    """Two arms with one seed."""
    folder = runs.write_grid(tmp_path / "demo", {"base": {}, "x": {}}, seeds=[0])
    for arm in ASKED:
        answer(folder, arm)
    return folder


def test_predictions_give_mcnemar_by_the_names_of_examples(answered: Path) -> None:
    by_place = [(base not in WRONG["base"]) - (x not in WRONG["x"]) for base, x in zip(*ASKED.values(), strict=True)]
    assert (by_place.count(-1), by_place.count(1)) == (4, 0), "another count than that by names"
    assert only(answered).contrast("difference", "x", "base").p_mcnemar == stats.binomtest(5, 6).pvalue
    (answered / "x-0" / "predictions.npz").write_bytes(b"PK damaged")
    grid = only(answered)
    assert grid.contrast("difference", "x", "base").p_mcnemar is None
    assert any("Predictions left out: demo/x-0" in warning for warning in grid.warnings)


def test_examples_of_one_name_with_another_label_are_other_examples(answered: Path) -> None:
    answer(answered, "x", labels={**LABELS, "f": 1})
    grid = only(answered)
    assert grid.contrast("difference", "x", "base").p_mcnemar is None
    assert any("Predictions of x left out: they are of other examples" in warning for warning in grid.warnings)


def test_an_arm_one_of_whose_runs_keeps_no_predictions_has_no_mcnemar(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", {"base": {}, "x": {}}, seeds=[0, 1, 2])
    cells = [answer(folder, arm, seed=seed) for arm in ASKED for seed in range(3)]
    assert only(folder).contrast("difference", "x", "base").p_mcnemar == stats.binomtest(5, 6).pvalue
    (cells[-1] / "predictions.npz").unlink()
    assert only(folder).contrast("difference", "x", "base").p_mcnemar is None
