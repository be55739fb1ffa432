"""A task that asks at tokens, from the plan to the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.data import load_data
from experiments.floors import write_floors
from experiments.plan import load_plan
from experiments.runner import run_cell
from reports.build import build
from swarmformer.errors import SpecError

TASK: dict[str, Any] = {
    "data": {
        "task": {
            "name": "mqar", "length": 16, "pairs": 2, "vocab_size": 16,
            "num_train": 120, "num_validation": 40, "num_test": 40,
        }
    },
    "arms": ["base"],
    "seeds": [0],
}  # fmt: skip
SIZES = {"d_model": 8, "num_layers": 1, "cluster_size": 4, "seq_len": 16}


def test_predictions_baselines_and_oracles_are_about_tokens(tiny_grid: Callable[..., Path], tmp_path: Path) -> None:
    path = tiny_grid(**TASK, model={"dims": SIZES, "pooling": "tokens"})
    (cell,) = load_plan(path).cells()
    runs = tmp_path / "tiny"
    result = run_cell(cell.folder(runs), cell.arm, cell.spec, "cpu", keep_weights=False)
    assert result is not None and result.metrics.test.n == 2 * 40
    write_floors(path, runs)
    questions = load_data(cell.spec).splits["test"].questions
    assert questions is not None
    with np.load(cell.folder(runs) / "predictions.npz", allow_pickle=False) as found:
        told = [f"test/{text}@{at}" for text, at in zip(questions.text, questions.positions, strict=True)]
        assert found["names"].tolist() == told and found["logits"].shape == (80, 8)
        right = float((found["logits"].argmax(-1) == found["labels"]).mean())
    assert right == result.metrics.test.accuracy
    assert list(json.loads((runs / "floors.json").read_text())["left_out"]) == ["NB-SVM"]
    build([runs], tmp_path / "report")
    report = (tmp_path / "report" / "runs.md").read_text()
    for words in ("`look-up of the key (oracle)`", "Left out: NB-SVM", "`majority class (baseline)`"):
        assert words in report


def test_a_plan_with_models_that_answer_once_per_text_is_refused(tiny_grid: Callable[..., Path]) -> None:
    with pytest.raises(SpecError, match=r"arms\[0\] \(base\): .*asks at tokens: set model\.pooling: tokens"):
        load_plan(tiny_grid(**TASK, model={"dims": SIZES}))
