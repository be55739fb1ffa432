"""What a run writes about its code and its starts."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path

import pytest
import torch

from experiments import runner
from experiments import starts as starts_module
from experiments.cells import CellFailedError
from experiments.execute.failures import set_failure_aside
from swarmformer.cost import precision
from swarmformer.cost.precision import Rates
from swarmformer.environment import describe, device_name
from swarmformer.records import (
    ENVIRONMENT,
    FAILURE,
    PLAN,
    PRECISION,
    RESULT,
    TRIALS,
    ChosenPrecision,
    Code,
    Environment,
    Failure,
    Precisions,
    UnreadableFileError,
    load,
    save,
)
from swarmformer.spec import RunSpec
from swarmformer.training import checkpoint
from swarmformer.variants import resolve_run
from tests.experiments.conftest import TINY
from tests.reports.synthetic_runs import result, write

CPU = torch.device("cpu")


@pytest.fixture
def spec() -> RunSpec:
    return resolve_run("base", [({"data": {"task": "listops"}}, "test")])


def codes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(starts_module, "code_of", lambda spec, files: Code(hash=name, revision=f"revision of {name}"))


def begin(folder: Path, spec: RunSpec) -> list[str]:
    return [start.code for start in starts_module.begin(folder, spec, CPU)]


def test_every_start_is_kept_and_those_that_continue_count(
    tmp_path: Path, spec: RunSpec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    codes(monkeypatch, "old")
    assert begin(tmp_path, spec) == ["old"]
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    assert begin(tmp_path, spec) == ["old", "old"] and not caplog.records
    codes(monkeypatch, "new")
    assert begin(tmp_path, spec) == ["old", "old", "new"]
    assert "continuing a run of code revision of old with revision of new" in caplog.text
    (tmp_path / "checkpoint.safetensors").unlink()
    assert begin(tmp_path, spec) == ["new"]
    starts = load(tmp_path / ENVIRONMENT, Environment).starts
    assert [(start.code, start.continued) for start in starts] == [
        ("old", False), ("old", True), ("new", True), ("new", False)
    ]  # fmt: skip
    assert all(start.started_at and start.device["type"] == "cpu" for start in starts)


def test_a_run_of_an_older_version_is_continued_as_of_both(tmp_path: Path, spec: RunSpec) -> None:
    former = {"schema": 1, "code_revision": "497986291912", "started_at": "2024-01-01T00:00:00+00:00", **describe(CPU)}
    (tmp_path / ENVIRONMENT).write_text(json.dumps(former))
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    starts = starts_module.begin(tmp_path, spec, CPU)
    assert starts[0].started_at == former["started_at"] and starts[0].code == "497986291912"
    assert starts_module.facts_of(starts)["code_hash"] == f"497986291912+{starts[1].code_hash}"


@pytest.mark.waits
def test_a_full_disk_is_a_failure_that_keeps_the_checkpoint_and_goes_on_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = {**{key: TINY[key] for key in ("model", "data")}, "train": {**TINY["train"], "checkpoint_seconds": 0.0}}
    spec = resolve_run("base", [(patch, "test")])
    whole = runner.run_cell(tmp_path / "whole", "base", spec, "cpu", False)
    real, saved = checkpoint.write_bytes_atomically, []

    def full(path: Path, content: bytes) -> None:
        saved.append(path)
        if len(saved) == 2:
            time.sleep(1.0)
        if len(saved) == 4:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, content)

    cell = tmp_path / "cell"
    monkeypatch.setattr(checkpoint, "write_bytes_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        runner.run_cell(cell, "base", spec, "cpu", False)
    with pytest.raises(CellFailedError, match="grid retry"):
        runner.run_cell(cell, "base", spec, "cpu", False)
    assert "No space left on device" in load(cell / FAILURE, Failure).cause
    assert set_failure_aside(cell)
    began = time.monotonic()
    again = runner.run_cell(cell, "base", spec, "cpu", False)
    last_start_s = time.monotonic() - began
    assert whole is not None and again is not None and again.metrics == whole.metrics
    assert again.seconds.total > last_start_s + 0.9, "the second that the first start waited is of the run"
    assert [start.continued for start in load(cell / ENVIRONMENT, Environment).starts] == [False, True]


def test_a_cell_of_a_grid_computes_in_what_its_grid_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = {**{key: TINY[key] for key in ("model", "data")}, "train": {**TINY["train"], "precision": "auto"}}
    spec = resolve_run("base", [(patch, "test")])
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(precision, "measure_rates", lambda *_: Rates({"fp32": 1e9, "bf16": 1e8}, {}))
    chosen = ChosenPrecision(precision="bf16", run_key="0" * 16, rates="")
    grid = tmp_path / "grid"
    grid.mkdir()
    (grid / PLAN).touch()
    save(grid / PRECISION, Precisions(chosen={device_name(CPU): chosen}))
    alone, trial, cell = (
        runner.run_cell(tmp_path / "alone", "base", spec, "cpu", False),
        runner.run_trial(grid / TRIALS / "base", "base", spec, "cpu"),
        runner.run_cell(grid / "base", "base", spec, "cpu", False),
    )
    assert [done and done.precision for done in (alone, trial, cell)] == ["fp32", "bf16", "bf16"]


def test_a_model_that_is_asked_for_after_the_run_is_not_passed_over(
    tmp_path: Path, spec: RunSpec, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / RESULT, result("base", 0, 0.5))
    assert runner.run_cell(tmp_path, "base", spec, "cpu", keep_weights=False) is None and not caplog.records
    assert runner.run_cell(tmp_path, "base", spec, "cpu", keep_weights=True) is None
    assert f"{tmp_path}: finished before without keeping its model; to train it again, move its" in caplog.text
    (tmp_path / "model").mkdir()
    caplog.clear()
    assert runner.run_cell(tmp_path, "base", spec, "cpu", keep_weights=True) is None and not caplog.records


def test_an_environment_that_cannot_be_read_is_left_alone(tmp_path: Path, spec: RunSpec) -> None:
    (tmp_path / ENVIRONMENT).write_text("{")
    with pytest.raises(UnreadableFileError):
        starts_module.begin(tmp_path, spec, CPU)
    assert (tmp_path / ENVIRONMENT).read_text() == "{"
