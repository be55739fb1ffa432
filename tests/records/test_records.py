"""Records: what is written can be read, what is damaged is refused in words, committed files of all ages are read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer import records
from tests import committed

KINDS: dict[str, type[records.Document]] = {
    "result.json": records.Result,
    "config.json": records.Config,
    "environment.json": records.Environment,
    "plan.json": records.Plan,
    "registered.json": records.Registration,
    "extended.json": records.Extensions,
    "floors.json": records.Floors,
    "costs.json": records.Costs,
}


def floors(**changes: Any) -> records.Floors:
    row = records.Floor(name="majority class", accuracy=0.5, n=20, split="test", detail={"label": 1})
    return records.Floors(**{"task": "toy", "data_key": "d", "floors": (row,), **changes})


def test_needs_neither_torch_nor_pyarrow() -> None:
    code = "import sys, swarmformer.records; sys.exit(bool({'torch', 'pyarrow'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    records.save(tmp_path / "floors.json", floors())
    assert records.load(tmp_path / "floors.json", records.Floors) == floors()
    assert list(tmp_path.iterdir()) == [tmp_path / "floors.json"]


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=list(KINDS))
def test_reads_every_committed_file(name: str, kind: type[records.Document]) -> None:
    paths = list(committed.every(name))
    assert paths
    for path in paths:
        records.load(path, kind)


def test_reads_every_committed_curve_and_prediction() -> None:
    results = {path.parent: records.load(path, records.Result) for path in committed.every("result.json")}
    assert all(records.read_curve(cell, result) for cell, result in results.items())
    answers = {cell: found for cell, result in results.items() if (found := records.read_answers(cell, result))}
    assert answers
    for cell, found in answers.items():
        assert found.right.mean() == pytest.approx(results[cell].metrics.test.accuracy)


def test_reads_former_words(tmp_path: Path) -> None:
    row = {"name": "position rule", "kind": "ceiling", "accuracy": 1.0, "n": 3, "split": "test"}
    (tmp_path / "a.json").write_text(json.dumps({"schema": 1, "task": "t", "data_key": "d", "floors": [row]}))
    assert records.load(tmp_path / "a.json", records.Floors).floors[0].kind == "oracle"
    limits = {"matmul_flops_per_s": 2.0, "copy_bytes_per_s": 1.0}
    times = {"median_s": 0.5, "p95_s": 0.6, "flops": 1, "share_of_ceiling": 0.25, "share_of_floor": 0.75}
    rows = [{"run_key": "k", "variant": "v", "batch": 1, "length": 4, **times}]
    (tmp_path / "b.json").write_text(
        json.dumps({"schema": 1, "device": "cpu", "threads": 1, "ceilings": limits, "rows": rows})
    )
    costs = records.load(tmp_path / "b.json", records.Costs)
    assert (costs.rows[0].share_of_limit, costs.rows[0].share_of_least) == (0.25, 0.75)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "schema None"),
        ('{"schema": 99}', "schema 99; this version reads schema 1 to 3"),
        ('{"schema": 2, "task": "t", "data_key": "d"}', "floors: Field required"),
        ('{"schema": 1, "task": "t", "data_key": "d"}', "floors"),
        ('{"schema": 3, "task": "t", "data_key": "d"}', "has no checksum, as files of schema 3 have"),
        ('{"schema": 2, "task": 3, "data_key": "d", "floors": []}', "task: Input should be a valid string"),
    ],
)
def test_refuses_what_is_damaged(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "floors.json"
    path.write_text(text)
    with pytest.raises(records.UnreadableFileError) as caught:
        records.load(path, records.Floors)
    assert caught.value.path == path and reason in caught.value.reason


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "file"
    records.write_bytes_atomically(path, b"old")

    def fail(*args: object) -> None:
        raise OSError("disk full")

    owner = os if failing == "fsync" else Path
    monkeypatch.setattr(owner, failing, fail)
    with pytest.raises(OSError, match="disk full"):
        records.write_bytes_atomically(path, b"new content")
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_two_that_write_one_file_at_once_both_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process, as two threads, or two containers whose processes have the same number, have it."""
    path, real, found = tmp_path / "file", os.fsync, []

    def written_meanwhile(number: int) -> None:
        monkeypatch.setattr(os, "fsync", real)
        records.write_bytes_atomically(path, b"the second")
        found.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", written_meanwhile)
    records.write_bytes_atomically(path, b"the first")
    assert found == [b"the second"] and path.read_bytes() == b"the first" and list(tmp_path.iterdir()) == [path]


def test_refuses_numbers_that_are_not_finite(tmp_path: Path) -> None:
    records.save(tmp_path / "f.json", floors())
    content = records.load_json(tmp_path / "f.json")
    content["floors"][0]["accuracy"] = float("nan")
    (tmp_path / "f.json").write_text(json.dumps({**content, "schema": 2}))
    with pytest.raises(records.UnreadableFileError, match="accuracy"):
        records.load(tmp_path / "f.json", records.Floors)
    with pytest.raises(ValueError):
        floors(floors=(records.Floor(name="n", accuracy=float("nan"), n=1, split="test"),))


class TestPredictions:
    def some(self) -> records.Predictions:
        logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
        return records.Predictions(np.array(list("abcde")), np.arange(5) % 3, logits)

    def test_come_back(self, tmp_path: Path) -> None:
        records.save_predictions(tmp_path, self.some())
        back = records.read_predictions(tmp_path)
        assert back is not None
        for name in ("names", "labels", "logits_NK"):
            np.testing.assert_array_equal(getattr(back, name), getattr(self.some(), name))

    def test_a_changed_array_is_refused(self, tmp_path: Path) -> None:
        records.save_predictions(tmp_path, self.some())
        with np.load(tmp_path / records.PREDICTIONS) as arrays:
            changed = dict(arrays)
        changed["labels"][0] += 1
        np.savez_compressed(tmp_path / records.PREDICTIONS, **changed)
        with pytest.raises(records.UnreadableFileError, match=r"checksum differs; restore it"):
            records.read_predictions(tmp_path)

    def test_damaged_bytes_are_refused(self, tmp_path: Path) -> None:
        records.save_predictions(tmp_path, self.some())
        path = tmp_path / records.PREDICTIONS
        whole = path.read_bytes()
        for place in range(0, len(whole), 7):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            try:
                back = records.read_predictions(tmp_path)
            except records.UnreadableFileError:
                continue
            assert back is not None  # a byte that says nothing
            for name, array in self.some().arrays().items():
                np.testing.assert_array_equal(back.arrays()[name], array)

    def test_none_where_there_are_none(self, tmp_path: Path) -> None:
        assert records.read_predictions(tmp_path) is None and records.read_losses(tmp_path) is None

    def test_losses_of_running_text_come_back_or_are_refused(self, tmp_path: Path) -> None:
        losses = records.TokenLosses(np.array(["test/0", "test/1"]), np.array([8, 3]), np.array([9.5, 4.25]))
        records.save_predictions(tmp_path, losses)
        assert records.read_predictions(tmp_path) is None, "they are in a file of their own"
        back = records.read_losses(tmp_path)
        assert back is not None
        for name, array in losses.arrays().items():
            np.testing.assert_array_equal(back.arrays()[name], array)
        with np.load(tmp_path / records.LOSSES) as arrays:
            changed = dict(arrays)
        changed["nats"][0] = 1.0
        np.savez_compressed(tmp_path / records.LOSSES, **changed)
        with pytest.raises(records.UnreadableFileError, match=r"checksum differs; restore it"):
            records.read_losses(tmp_path)


def test_metrics_of_classes_do_not_speak_of_text() -> None:
    shared = {"accuracy": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "loss": 1.0, "n": 4}
    assert records.Metrics(**shared).model_dump(mode="json") == shared
    of_text = {**shared, "perplexity": 2.7, "bits_per_byte": 1.4}
    assert records.Metrics(**of_text).model_dump(mode="json") == of_text
    line = records.ValidationLine(step=1, epoch=1, **of_text)
    written = line.to_line()
    assert records.ValidationLine.model_validate_json(written) == line and '"bits_per_byte": 1.4' in written


def test_a_half_written_last_line_of_a_curve_is_left_out(tmp_path: Path) -> None:
    line = records.TrainLine(step=20, loss=1.0, norm=0.5, lr=0.1, **{"0/temperature": 0.7})
    (tmp_path / records.CURVE).write_text(line.to_line() + '{"kind": "tr')
    assert records.read_curve(tmp_path) == [line]
    assert line.model_dump()["0/temperature"] == 0.7


def test_a_damaged_line_of_a_curve_is_named(tmp_path: Path) -> None:
    (tmp_path / records.CURVE).write_text('nonsense\n{"kind": "train", "step": 1, "loss": 1, "norm": 1, "lr": 1}\n')
    with pytest.raises(records.UnreadableFileError, match="line 1 is not JSON"):
        records.read_curve(tmp_path)
