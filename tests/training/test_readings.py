"""How often the test split was read, and the authors' reading of it, told in the curve and the result."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.training.runs import STEPS, curve, finish
from tests.training.toys import toy_run


def test_the_test_split_is_read_once_and_the_curve_tells_it(tmp_path: Path) -> None:
    _, result = finish(toy_run(), tmp_path)
    assert (result.test_readings, result.published_reading) == (1, None)
    (line,) = [line for line in curve(tmp_path) if line["kind"] == "test"]
    assert (line["step"], line["epoch"], line["accuracy"]) == (STEPS, result.best_epoch, result.test["accuracy"])


def test_a_run_that_goes_on_after_its_reading_counts_both(tmp_path: Path) -> None:
    first, again = finish(toy_run(), tmp_path)[1], finish(toy_run(), tmp_path)[1]
    assert (first.test_readings, again.test_readings) == (1, 2)
    lines = [line for line in curve(tmp_path) if line["kind"] == "test"]
    assert len(lines) == 2 and lines[0] == lines[1]


def test_the_authors_reading_is_recorded_apart_and_changes_no_result(tmp_path: Path) -> None:
    plain = finish(toy_run(), tmp_path / "plain")[1]
    _, result = finish(toy_run(read_test_each_epoch=True), tmp_path / "read")
    assert torch.equal(result.test_logits_NK, plain.test_logits_NK)
    assert (result.test, result.validation, result.best_epoch) == (plain.test, plain.validation, plain.best_epoch)
    readings = [line for line in curve(tmp_path / "read") if line["kind"] == "test_reading"]
    assert [line["epoch"] for line in readings] == [1, 2, 3]
    best = max(float(str(line["accuracy"])) for line in readings)
    first = next(line["epoch"] for line in readings if line["accuracy"] == best)
    assert result.published_reading == {"accuracy": best, "epoch": first, "readings": 3}
    assert result.test_readings == 1
