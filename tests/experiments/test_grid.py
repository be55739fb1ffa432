"""Grids that survive kill -9, and each other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import execute, grid
from experiments.cells import status_of
from experiments.execute import Job, failures, scheduler
from experiments.owner import is_locked
from experiments.plan import load_plan
from experiments.status import Status
from swarmformer.records import Config, Plan, Result, load, seal
from tests.experiments.conftest import ROOT, TINY, command, run_module
from tests.processes import start_forked, wait_for
from tests.reports.synthetic_runs import write_grid

pytestmark = pytest.mark.waits

Grid = Callable[..., Path]


def results(folder: Path) -> dict[str, Any]:
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/result.json")}


def comparable(folder: Path) -> dict[str, Any]:
    """What must not depend on interruptions: metrics, epochs and steps."""
    keys = ("metrics", "best_epoch", "epochs", "steps", "run_key", "seed", "data_key")
    return {cell: {key: result[key] for key in keys} for cell, result in results(folder).items()}


def start(path: Path, runs: Path) -> subprocess.Popen[bytes]:
    """A grid in a process group of its own, so that it can be killed with its workers."""
    arguments = command("experiments.grid", "run", path, "--runs", runs, "--workers", "2")
    return subprocess.Popen(
        arguments, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_killed_grid_is_continued_and_ends_like_an_uninterrupted_one(tiny_grid: Grid, tmp_path: Path) -> None:
    # checkpoint_seconds 0: a checkpoint after every step, so that the kill falls between checkpoints of a run
    path = tiny_grid(
        train={"epochs": 4, "batch_size": 8, "lr": 0.003, "checkpoint_seconds": 0.0}, keep_weights="best"
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run_module("experiments.grid", "run", path, "--runs", whole, "--workers", "2").returncode == 0

    process = start(path, killed)
    wait_for(lambda: len(results(killed / "tiny")) >= 1 and len(list(killed.glob("tiny/*/curve.jsonl"))) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {p: p.stat().st_mtime_ns for p in killed.glob("tiny/*/result.json")}
    assert 1 <= len(finished) < 4, "the kill came too late to show anything"
    cells = list(killed.glob("tiny/*/"))
    wait_for(lambda: not any(is_locked(cell) for cell in cells))
    assert Status.INTERRUPTED in [status_of(cell)[0] for cell in cells]

    again = run_module("experiments.grid", "run", path, "--runs", killed, "--workers", "2")
    assert again.returncode == 0, again.stderr
    assert {p: p.stat().st_mtime_ns for p in finished} == finished
    assert comparable(killed / "tiny") == comparable(whole / "tiny")
    for cell in results(whole / "tiny"):
        ours, theirs = (np.load(f / "tiny" / cell / "predictions.npz") for f in (killed, whole))
        np.testing.assert_array_equal(ours["logits"], theirs["logits"])
    for folder in (whole / "tiny", killed / "tiny"):
        assert kept_models(folder) == best_by_validation(folder)


def kept_models(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/*model*")}


def best_by_validation(folder: Path) -> set[str]:
    """Of every arm the cell with the best accuracy on validation, the lower seed where two are alike."""
    found = sorted(
        (-result["metrics"]["validation"]["accuracy"], result["seed"], result["arm"], cell)
        for cell, result in results(folder).items()
    )
    return {cell for _, _, arm, cell in found if cell == next(c for _, _, a, c in found if a == arm)}


def test_workers_end_with_a_grid_that_is_killed(tiny_grid: Grid, tmp_path: Path) -> None:
    path = tiny_grid(seeds=[0], train={"epochs": 2000, "batch_size": 8})
    process = start_forked("python", "-m", "experiments.grid", "run", path, "--runs", tmp_path, "--workers", "2")
    wait_for(lambda: len(list(tmp_path.glob("tiny/*/curve.jsonl"))) == 2)
    process.kill()  # the grid alone, not its process group
    process.join()
    cells = list(tmp_path.glob("tiny/*/"))
    wait_for(lambda: not any(is_locked(cell) for cell in cells), seconds=30)
    assert [status_of(cell)[0] for cell in cells] == [Status.INTERRUPTED] * 2


def test_what_is_written_is_what_reports_read(tiny_grid: Grid, tmp_path: Path) -> None:
    path = tiny_grid(arms=["base"], seeds=[0], floors=True, latency={"batches": [1], "budget_s": 2.0})
    done = run_module("experiments.grid", "run", path, "--runs", tmp_path, "--workers", "1")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "tiny"
    load(folder / "plan.json", Plan)
    (cell,) = results(folder)
    load(folder / cell / "config.json", Config)
    load(folder / cell / "result.json", Result)
    built = run_module("reports.build", folder, "--out", tmp_path / "report")
    assert built.returncode == 0, built.stderr
    table = "".join((tmp_path / "report" / name).read_text() for name in ("status.md", "runs.md"))
    for words in ("COMPLETED", "base", "majority", "NB-SVM", "operator at the root"):
        assert words in table
    assert "PENDING 1" not in run_module("experiments.grid", "status", path, "--runs", tmp_path).stdout


def test_a_failure_is_recorded_not_repeated_and_retried_on_request(tiny_grid: Grid, tmp_path: Path) -> None:
    diverging = tiny_grid(arms=["base"], seeds=[0], train={"epochs": 1, "batch_size": 8, "lr": 1e30, "clip_norm": 0.0})
    done = run_module("experiments.grid", "run", diverging, "--runs", tmp_path, "--workers", "1")
    assert done.returncode == 1
    assert "FAILED 1" in done.stdout
    (cell,) = (f for f in (tmp_path / "tiny").iterdir() if f.is_dir())
    failure = json.loads((cell / "failure.json").read_text())
    assert failure["status"] == "FAILED" and failure["step"] >= 1
    assert "TrainingDivergedError" in failure["cause"] and f"at step {failure['step']}" in failure["cause"]

    before = (cell / "failure.json").stat().st_mtime_ns
    assert run_module("experiments.grid", "run", diverging, "--runs", tmp_path, "--workers", "1").returncode == 1
    assert (cell / "failure.json").stat().st_mtime_ns == before, "a failed cell was run again without being asked to"

    assert len(failures.retry(load_plan(diverging), tmp_path / "tiny")) == 1
    assert status_of(cell)[0] is Status.INTERRUPTED
    assert (cell / "failure-1.json").exists(), "the record of the first failure is lost"


def test_a_worker_that_dies_without_a_word_is_not_started_for_ever(
    tiny_grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the supervisor is killed too, nobody leaves a failure.json; the grid tries again, and then writes it."""
    path = tiny_grid(arms=["base"], seeds=[0])
    started = []

    def die(executor: execute.Executor, jobs: list[Job], on_done: execute.OnDone) -> None:
        for job in jobs:
            assert job.ready()
            started.append(job.title)
            on_done(job, -9, 0.1)

    monkeypatch.setattr(scheduler, "run_jobs", die)
    monkeypatch.setattr(scheduler, "BUSY_POLL_S", 0.0)
    assert grid.main(["run", str(path), "--runs", str(tmp_path / "runs")]) == 1
    assert len(started) == scheduler.MAX_DEATHS
    (cell,) = (tmp_path / "runs" / "tiny").glob("*/")
    status, cause = status_of(cell)
    assert status is Status.FAILED and cause.startswith("its process was killed by SIGKILL")


def test_a_changed_grid_keeps_the_former_plan(tiny_grid: Grid, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    scheduler.store_plan(load_plan(tiny_grid()), folder)
    former = (folder / "plan.json").read_text()
    scheduler.store_plan(load_plan(tiny_grid()), folder)
    assert not (folder / "plan-1.json").exists()
    scheduler.store_plan(load_plan(tiny_grid(seeds=[0, 1, 2])), folder)
    assert (folder / "plan-1.json").read_text() == former
    assert json.loads((folder / "plan.json").read_text())["seeds"] == [0, 1, 2]


def test_status_writes_nothing_and_plan_its_registration_alone(
    tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny_grid()
    assert grid.main(["status", str(path), "--runs", str(tmp_path / "runs")]) == 0
    assert not (tmp_path / "runs").exists()
    assert grid.main(["plan", str(path), "--runs", str(tmp_path / "runs")]) == 0
    shown = capsys.readouterr().out
    assert "2 arms × 2 seeds = 4 cells" in shown and "PENDING 4" in shown
    assert f"nothing has run in {tmp_path / 'runs' / 'tiny'} yet\nPENDING 4" in shown
    written = {path.name for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert written == {"registered.json", "plan.lock"}


@pytest.mark.parametrize("made", ["plan.json", "runs.parquet"])
def test_a_folder_is_looked_at_by_its_path(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copy under another name, where no file of the grid is."""
    folder = write_grid(tmp_path / "elsewhere", {"base": {0: 0.5}}, [0, 1])
    if made == "runs.parquet":
        seal(folder, tmp_path / "sealed", finished_only=True)
        folder = tmp_path / "sealed"
    monkeypatch.chdir(tmp_path)
    assert grid.main(["status", folder.name]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("PENDING 1, COMPLETED 1\n") and "nothing has run" not in shown
    assert grid.main(["run", folder.name]) == 1, "to run it takes the file"
    assert f"unknown grid '{folder.name}'" in capsys.readouterr().err


def test_an_own_grid_is_sealed_by_the_folder_that_it_ran_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No grid of that name is shipped, and its file need not be at hand."""
    write_grid(tmp_path / "runs" / "winmix", {"base": {0: 0.5}}, [0])
    monkeypatch.chdir(tmp_path)
    assert grid.main(["seal", "runs/winmix", "sealed"]) == 0
    assert str(Path("sealed") / "runs.parquet") in capsys.readouterr().out
    assert grid.main(["seal", "sealed", "again"]) == 1
    assert "sealed: sealed into runs.parquet; lay it out" in capsys.readouterr().err
    assert not Path("again").exists()


def test_what_cannot_act_as_it_is_meant_to_is_a_warning_that_says_what_to_do(
    tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = ["base", "base+windowed", {"name": "slow", "variant": "base+windowed", "train": {"lr": 0.001}}]
    assert grid.main(["plan", str(tiny_grid(arms=arms)), "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if line.startswith("warning: ")]
    assert lines == [
        "warning: base+windowed, slow: local: a window of 16 tokens covers every text of 16",
        "warning: base+windowed, slow: local: heads of 2 features, narrower than 32: "
        "set head_width: 32, or fewer heads",
    ]
    assert said.out.count("at a disadvantage for its size or task") == 1 and "attention (" not in said.err
    assert grid.main(["plan", str(tiny_grid(arms=["base"])), "--runs", str(tmp_path / "other")]) == 0
    assert "warning" not in capsys.readouterr().out


def test_keys_that_do_nothing_are_a_warning_before_anything_runs(
    tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "does nothing unless data.cut is head_tail: set that too, or leave it out"
    front = {"name": "front", "variant": "base", "data": {"cut_share": 0.5}, "train": {"lr": 0.01}}
    path = tiny_grid(arms=["base", front, {**front, "name": "ends", "data": {"cut": "head_tail", "cut_share": 0.5}}])
    assert grid.main(["plan", str(path), "--runs", str(tmp_path / "planned")]) == 0
    assert f"warning: front: data.cut_share {words}" in capsys.readouterr().out.splitlines()
    path = tiny_grid(arms=["base"], data={**TINY["data"], "cut_share": 0.5})
    assert grid.main(["run", str(path), "--runs", str(tmp_path / "run"), "--workers", "1"]) == 0
    assert f"warning: data.cut_share {words}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("seeds", "words"), [
    ([0], "1 seed: there is no interval"), ([0, 1], "2 seeds: hardly any difference can be decided"), ([0, 1, 2], ""),
])  # fmt: skip
def test_a_plan_of_few_seeds_says_what_they_can_decide(
    seeds: list[int], words: str, tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert grid.main(["plan", str(tiny_grid(arms=["base"], seeds=seeds)), "--runs", str(tmp_path)]) == 0
    heading = "How many seeds, which margin"
    lines = [line for line in capsys.readouterr().out.splitlines() if f"see docs/grids.md, {heading!r}" in line]
    assert len(lines) == bool(words) and all(line.startswith(words) for line in lines)
    assert f"\n## {heading}\n" in (ROOT / "docs" / "grids.md").read_text()


def test_the_first_grid_of_the_documents_has_no_arm_at_a_disadvantage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "first.yaml").write_text((ROOT / "docs" / "grids.md").read_text().split("```")[1].removeprefix("yaml"))
    assert grid.main(["plan", str(tmp_path / "first.yaml"), "--runs", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "3 arms × 5 seeds" in said and "warning" not in said


def test_help_says_what_the_commands_are_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert grid.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "SUPPRESS" not in said and said.count("seal    the records of a finished grid") == 1


def test_cells_of_another_plan_are_named_and_left_alone(
    tiny_grid: Grid, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = tmp_path / "tiny" / "base-s0-01234567" / "config.json"
    stranger.parent.mkdir(parents=True)
    stranger.write_text('{"schema": 0}')
    assert grid.main(["status", str(tiny_grid()), "--runs", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "1 cells here are of another plan or version and were left alone: base-s0-01234567" in shown
    assert stranger.read_text() == '{"schema": 0}'


def test_a_faulty_grid_ends_with_a_message_not_a_traceback(tiny_grid: Grid, capsys: pytest.CaptureFixture[str]) -> None:
    assert grid.main(["run", str(tiny_grid(arms=["bse"], base=None))]) == 1
    assert "error: " in capsys.readouterr().err
