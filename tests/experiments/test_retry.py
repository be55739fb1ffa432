"""``grid retry``: what failed is run again, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cells import identity, prepare, status_of
from experiments.execute import failures
from experiments.plan import Cell, load_plan
from experiments.status import Status
from swarmformer.records import COSTS, FAILURE, FLOORS, Failure, save
from tests.experiments.conftest import run_module
from tests.processes import Done

pytestmark = pytest.mark.waits

Grid = Callable[..., Path]


def fail(cell: Cell, grid: Path) -> None:
    """As a cell that diverged leaves its folder."""
    prepare(cell.folder(grid), cell.arm, cell.spec, trial=cell.is_trial)
    failures.record_failure(cell.folder(grid), "diverged", resumable=False)


def retry(path: Path, runs: Path) -> Done:
    return run_module("experiments.grid", "retry", path, "--runs", runs, "--workers", "1", "--device", "cpu")


def test_only_what_failed_is_started_and_what_is_left_is_told(tiny_grid: Grid, tmp_path: Path) -> None:
    """Of a grid that was stopped in its first cell, after the second failed: two more have not begun."""
    path = tiny_grid(floors=True, latency={"batches": [1], "budget_s": 1.0})
    runs, grid = tmp_path / "my runs", tmp_path / "my runs" / "tiny"
    stopped, broken, *waiting = load_plan(path).cells()
    prepare(stopped.folder(grid), stopped.arm, stopped.spec)
    fail(broken, grid)
    done = retry(path, runs)
    assert done.returncode == 1 and status_of(broken.folder(grid))[0] is Status.COMPLETED, done.stderr
    assert status_of(stopped.folder(grid))[0] is Status.INTERRUPTED
    assert not any(cell.folder(grid).exists() for cell in waiting)
    assert not (grid / FLOORS).exists() and not (grid / COSTS).exists(), "they are due when all cells have ended"
    assert "[1/1] " in done.stderr and "set aside 1 cells" in done.stderr
    again = f"swarmformer grid run {path} --runs '{runs}' runs"
    assert f"not finished and left alone: 3 cells, which {again}" in done.stdout


def test_the_last_cells_of_a_grid_bring_its_floors_and_latency(tiny_grid: Grid, tmp_path: Path) -> None:
    path = tiny_grid(arms=["base"], seeds=[0], floors=True, latency={"batches": [1], "budget_s": 1.0})
    (cell,) = load_plan(path).cells()
    fail(cell, tmp_path / "runs" / "tiny")
    done = retry(path, tmp_path / "runs")
    assert done.returncode == 0 and "left alone" not in done.stdout, done.stderr
    assert (tmp_path / "runs" / "tiny" / FLOORS).exists() and (tmp_path / "runs" / "tiny" / COSTS).exists()


def test_failed_trials_alone_are_tried_again(tiny_grid: Grid, tmp_path: Path) -> None:
    tune = {"values": {"train.lr": [0.001, 0.003]}, "seeds": [100]}
    path = tiny_grid(arms=["base"], seeds=[0], train={"epochs": 1, "batch_size": 32}, tune=tune)
    grid = tmp_path / "runs" / "tiny"
    broken, waiting = load_plan(path).trials()
    fail(broken, grid)
    done = retry(path, tmp_path / "runs")
    assert done.returncode == 1 and status_of(broken.folder(grid))[0] is Status.COMPLETED, done.stderr
    assert not waiting.folder(grid).exists()
    assert f"trials are not finished: tuning/{waiting.folder(grid).name}; swarmformer grid run goes" in done.stderr
    assert "not finished and left alone: 1 cells" in done.stdout


def test_a_retry_that_is_killed_half_way_leaves_a_failed_cell(
    tiny_grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = load_plan(tiny_grid(arms=["base"], seeds=[0]))
    (planned,) = plan.cells()
    cell = planned.folder(tmp_path)
    cell.mkdir()
    save(cell / FAILURE, Failure(**identity("base", planned.spec), cause="diverged", step=3))
    (cell / "checkpoint.safetensors").write_bytes(b"diverged weights")
    real, moved = Path.replace, []

    def die_after_the_first(source: Path, target: Path) -> Path:
        if moved:
            raise KeyboardInterrupt
        moved.append(source.name)
        return real(source, target)

    monkeypatch.setattr(Path, "replace", die_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        failures.retry(plan, tmp_path)
    monkeypatch.undo()
    assert status_of(cell)[0] is Status.FAILED
    assert len(failures.retry(plan, tmp_path)) == 1
    assert not (cell / "checkpoint.safetensors").exists() and not (cell / "failure.json").exists()
