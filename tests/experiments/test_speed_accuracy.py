"""Accuracy by precision: of a run that kept its weights, and of a folder that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import train
from experiments.speed import accuracy
from swarmformer.records import RESULT, AccuracyByPrecision, Result, load

WORDS = (
    "with variant=masked_small data.task=listops data.task.min_length=4 data.task.max_length=16 data.task.max_depth=2 "
    "data.task.num_train=120 data.task.num_validation=40 data.task.num_test=40 model.dims.d_model=16 "
    "model.dims.seq_len=16 model.dims.cluster_size=4 train.epochs=1 threads=1"
)


def test_ways_agree_with_the_run(tmp_path: Path, own_signals: None) -> None:
    assert train.main([*WORDS.split(), f"runs={tmp_path}"]) == 0
    (cell,) = tmp_path.iterdir()
    assert accuracy.main([str(cell), "--out", str(tmp_path / "accuracy.json")]) == 0
    rows = {row.way: row for row in load(tmp_path / "accuracy.json", AccuracyByPrecision).rows}
    result = load(cell / RESULT, Result)
    assert rows["fast, fp32"].accuracy == pytest.approx(result.metrics.test.accuracy)
    assert rows["fast, fp32"].greatest_difference < 1e-5 and rows["fast, fp32"].other_answers == 0
    assert 1e-5 < rows["fast, bf16 weights"].greatest_difference < 0.5, "nothing was rounded"
    assert rows["plain, fp32"].answers == 40


def test_a_folder_without_a_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main([str(tmp_path), "--out", str(tmp_path / "a.json")]) == 1
    assert "config.json" in capsys.readouterr().err
