"""Cells whose seeds alone differ, in one process: the grid says of them what it says of them one by one."""

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

from experiments import grid
from experiments.cells import prepare, status_of
from experiments.execute import Job
from experiments.execute import command as run_command
from experiments.execute.local import Local
from experiments.execute.scheduler import GridScheduler
from experiments.execute.supervise import FAILED, Supervisor, Tell
from experiments.limits import StartLimits
from experiments.owner import is_locked
from experiments.plan import load_plan
from experiments.status import Status
from swarmformer.errors import SpecError
from swarmformer.records import CHECKPOINT, FAILURE, RESULT, Failure, Result, load
from swarmformer.variants import resolve_run
from tests.experiments.conftest import ROOT, command, run_module
from tests.processes import Done, run_forked, wait_for

pytestmark = pytest.mark.waits
Grid = Callable[..., Path]
TOGETHER = ("--workers", "1", "--seeds-together", "2")
LEVEL: dict[str, Any] = {
    "data": {"task": {"name": "digits", "seed": 1}},
    "model": {"dims": {"d_model": 8, "num_layers": 1, "cluster_size": 8, "seq_len": 64}},
}
"""Texts of one length, so that all batches have one shape."""

COMPONENTS = '''
import os, signal, sys, torch
from swarmformer.components.local.identity import Identity

class OfOneSeed(Identity):
    """Behaves but for seed 1, and until it is trained for a while."""

    steps = 0

    def forward(self, x_BND, mask_BN=None, norm=None):
        if self.training and len(x_BND) > 8 and torch.initial_seed() == 1:
            OfOneSeed.steps += 1
            if OfOneSeed.steps > 8:
                self.misbehave()
        return super().forward(x_BND, mask_BN, norm)

class Breaks(OfOneSeed):
    def misbehave(self): raise ValueError("seed 1")

class Diverges(OfOneSeed):
    def forward(self, x_BND, mask_BN=None, norm=None):
        return x_BND * float("inf") if torch.initial_seed() == 1 else x_BND

class Leaves(OfOneSeed):
    def misbehave(self): sys.exit(0)

class Dies(OfOneSeed):
    def misbehave(self): os.kill(os.getpid(), signal.SIGKILL)
'''


def run(path: Path, runs: Path, *words: str) -> Done:
    return run_module("experiments.grid", "run", path, "--runs", runs, *words)


def cells(runs: Path) -> dict[str, Path]:
    """arm-sSEED → folder"""
    return {path.name.rpartition("-")[0]: path for path in runs.glob("tiny/*-s*-*")}


def results(runs: Path) -> dict[str, Result]:
    return {name: load(folder / RESULT, Result) for name, folder in cells(runs).items() if (folder / RESULT).exists()}


def assert_alike(runs: Path, usual: Path) -> None:
    """But for rounding: test losses and logits."""
    found, expected = results(runs), results(usual)
    assert found.keys() == expected.keys() and found
    for name, result in found.items():
        assert result.metrics.test.loss == pytest.approx(expected[name].metrics.test.loss, abs=1e-4)
        logits, others = (np.load(cells(where)[name] / "predictions.npz")["logits"] for where in (runs, usual))
        np.testing.assert_allclose(logits, others, atol=1e-3)


def test_seeds_together_are_what_they_are_one_by_one(tiny_grid: Grid, tmp_path: Path) -> None:
    path = tiny_grid(tune={"values": {"train.lr": [0.002, 0.004]}, "seeds": [7, 8]}, seeds=[0, 1, 2],
                     train={"epochs": 1, "batch_size": 32, "precision": "fp32"}, **LEVEL)  # fmt: skip
    usual, together = tmp_path / "usual", tmp_path / "together"
    assert run(path, usual, "--workers", "1").returncode == 0
    done = run(path, together, *TOGETHER)
    assert done.returncode == 0, done.stderr
    assert_alike(together, usual)
    chosen = [json.loads((where / "tiny/tuning.json").read_text())["arms"] for where in (usual, together)]
    assert [arm["chosen"] for arm in chosen[0]] == [arm["chosen"] for arm in chosen[1]]
    at_once = {name: result.computing.together for name, result in results(together).items()}
    assert {size for name, size in at_once.items() if "-s2" not in name} == {2}
    assert {size for name, size in at_once.items() if "-s2" in name} == {1}, "three seeds are two and one"
    for name, folder in cells(together).items():
        log, seed = (folder / "log.txt").read_text(), name.rpartition("-s")[2]
        assert log.count("run key") == 1 and f"seed {seed}, run key" in log, "logs are mixed up"
        assert log.count("test accuracy") == 1
        assert json.loads((folder / "sacred/1/run.json").read_text())["status"] == "COMPLETED"


@pytest.mark.parametrize("kind", ["Breaks", "Leaves", "Dies", "Diverges"])
def test_a_seed_that_misbehaves_fails_alone(kind: str, tiny_grid: Grid, tmp_path: Path) -> None:
    (tmp_path / "of_one_seed.py").write_text(COMPONENTS, encoding="utf-8")
    arm = {"name": kind, "variant": "base", "model": {"local": f"of_one_seed:{kind}"}}
    path = tiny_grid(base=None, arms=[arm], train={"epochs": 1, "batch_size": 24, "precision": "fp32"}, **LEVEL)
    places = os.pathsep.join([str(tmp_path), str(ROOT)])
    words = ("python", "-m", "experiments.grid", "run", path, "--runs", tmp_path / "runs", *TOGETHER)
    done = run_forked(*words, env={**os.environ, "PYTHONPATH": places})
    assert done.returncode == 1 and "COMPLETED 1, FAILED 1" in done.stdout, done.stdout + done.stderr
    folders = cells(tmp_path / "runs")
    cause = load(folders[f"{kind}-s1"] / FAILURE, Failure).cause
    assert cause.startswith({"Breaks": "ValueError: seed 1", "Leaves": "sys.exit(0) was called",
                             "Dies": "its process was killed by SIGKILL", "Diverges": "TrainingDivergedError",
                             }[kind])  # fmt: skip
    parted = [line for line in done.stderr.splitlines() if "did not end beside others, and is run alone" in line]
    assert any(f"{kind}-s1" in line for line in parted)
    assert len(parted) == (2 if kind in ("Leaves", "Dies") else 1), "a process that ends takes all of them along"
    assert results(tmp_path / "runs").keys() == {f"{kind}-s0"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_grid_that_is_stopped_goes_on(number: int, tiny_grid: Grid, tmp_path: Path) -> None:
    train = {"epochs": 2, "batch_size": 8, "lr": 0.003, "checkpoint_seconds": 0.0}
    path = tiny_grid(arms=["base"], train=train)
    usual, runs = tmp_path / "usual", tmp_path / "runs"
    assert run(path, usual, "--workers", "1").returncode == 0
    words = command("experiments.grid", "run", path, "--runs", runs, *TOGETHER)
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(words, cwd=ROOT, start_new_session=True, **nowhere)
    wait_for(lambda: len(list(runs.glob(f"tiny/*/{CHECKPOINT}"))) == 2)
    os.kill(process.pid, number)
    process.wait()
    wait_for(lambda: not any(map(is_locked, cells(runs).values())))
    assert [status_of(folder)[0] for folder in cells(runs).values()] == [Status.INTERRUPTED] * 2
    done = run(path, runs, *TOGETHER)
    assert done.returncode == 0, done.stderr
    assert_alike(runs, usual)
    for folder in cells(runs).values():
        assert "resumed at step" in (folder / "log.txt").read_text()


def test_a_cell_that_cannot_be_prepared_takes_no_part(tiny_grid: Grid, tmp_path: Path) -> None:
    """The folder of seed 1 has another run's configuration: it is left out, and nothing is written there."""
    path, runs = tiny_grid(arms=["base"], train={"epochs": 1, "batch_size": 24}, **LEVEL), tmp_path / "runs"
    plan = load_plan(path)
    one, other = (cell.folder(runs / "tiny") for cell in plan.cells())
    small = {"model": {"dims": {"d_model": 8, "seq_len": 16}}, "data": {"task": "listops"}}
    prepare(other, "base", resolve_run("base", [(small, "test")], seed=1))
    before = sorted(other.iterdir())
    done = run(path, runs, *TOGETHER)
    assert done.returncode == 1 and "cannot be prepared, and is left out" in done.stderr
    assert (one / RESULT).exists() and sorted(other.iterdir()) == before
    assert results(runs)["base-s0"].computing.together == 1


@pytest.mark.parametrize(("together", "order"), [
    (1, ["base-s0", "base+layer_norm-s0", "base-s1", "base+layer_norm-s1", "base-s2", "base+layer_norm-s2"]),
    (2, ["base-s0", "base+layer_norm-s0", "base-s2", "base+layer_norm-s2"]),
])  # fmt: skip
def test_seeds_are_outermost_in_what_is_started(
    together: int, order: list[str], tiny_grid: Grid, tmp_path: Path
) -> None:
    """So that a grid that is stopped early has the same seeds of every arm."""
    path, started = tiny_grid(seeds=[0, 1, 2]), list[str]()
    scheduler = GridScheduler(load_plan(path), path, tmp_path / "runs", Local(2, "cpu"), seeds_together=together)

    def look(executor: object, jobs: list[Job], on_done: object) -> None:
        started.extend(job.title.rpartition("-")[0] for job in jobs)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("experiments.execute.scheduler.run_jobs", look)
        scheduler.run()
    assert [name for name in started if name.startswith("base")] == order


def test_the_time_left_counts_cells_that_run_at_once(tiny_grid: Grid, tmp_path: Path) -> None:
    path = tiny_grid(arms=["base"])
    scheduler = GridScheduler(load_plan(path), path, tmp_path / "runs", Local(2, "cpu"), seeds_together=3)
    seen = []

    def look(executor: object, jobs: object, on_done: object) -> None:
        seen.append(scheduler.watch.workers)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("experiments.execute.scheduler.run_jobs", look)
        scheduler.run()
    assert seen == [6]


def crash(arguments: Any, tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("own_signals")
def test_nobody_is_blamed_for_a_process_of_several(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    small = {"model": {"dims": {"d_model": 8, "seq_len": 16}}, "data": {"task": "listops"}}
    for seed, folder in enumerate(folders):
        prepare(folder, "base", resolve_run("base", [(small, "test")], seed=seed))
    assert Supervisor(folders, crash, None, StartLimits()).run() == FAILED
    assert [status_of(folder)[0] for folder in folders] == [Status.INTERRUPTED] * 2


def test_limits_are_of_each_cell() -> None:
    limits = StartLimits(minutes=3, memory_gb=1.5, silent_minutes=2).times(4)
    assert (limits.minutes, limits.memory_gb, limits.silent_minutes) == (12, 6, 2)
    assert StartLimits().times(4) == StartLimits()


def test_places_of_their_own_are_refused(tiny_grid: Grid, capsys: pytest.CaptureFixture[str]) -> None:
    assert grid.main(["run", str(tiny_grid()), "--executor", "slurm", "--seeds-together", "2"]) == 1
    assert "executor 'slurm' gives each cell a place of its own; use local" in capsys.readouterr().err


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_command, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"pip install 'swarmformer\[together\]'"):
        run_command.check_together("local", elsewhere=False)
