"""Latency of a grid: what is timed, and what was measured before, kept and told where else is asked for by now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.costs import is_current, write_costs
from experiments.execute.local import Local
from experiments.execute.scheduler import GridScheduler
from experiments.plan import load_plan
from swarmformer.assembly import assemble_without_weights
from swarmformer.records import COSTS, Costs, load
from tests.reports import synthetic_runs as runs


@pytest.mark.parametrize(("device", "threads", "told"), [
    ("auto", 0, False), ("cpu", 2, False), ("auto", 1, True), ("cuda", 0, True), ("cuda", 2, True),
])  # fmt: skip
def test_latency_that_is_kept_is_told_where_it_is_not_as_asked_for(
    device: str, threads: int, told: bool, tiny_grid: Callable[..., Path], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    plan = load_plan(tiny_grid(arms=["base"], seeds=[0], latency={"batches": [1], "budget_s": 1.0}))
    kept = runs.write(tmp_path / COSTS, runs.costs({**runs.latency("base", 1), "run_key": plan.arms[0].run_key}))
    runner = GridScheduler(plan, tmp_path / "tiny.yaml", tmp_path, Local(1, device, 1), threads)
    runner._measure_costs()
    said = f"kept as it was measured, on {runs.DEVICE}, 2 threads; to measure it anew, move {kept} away"
    assert (said in caplog.text) == told and not runner.failed_extras


def test_training_steps_are_timed_where_they_are_asked_for(tiny_grid: Callable[..., Path], tmp_path: Path) -> None:
    """Of a batch as large as in the arm's runs; costs from before they were asked for are measured anew."""
    arms = ["base", {"name": "large", "variant": "base", "train": {"batch_size": 5}}]
    asked = {"batches": [2], "budget_s": 0.5}
    write_costs(tiny_grid(arms=arms, seeds=[0], latency=asked), tmp_path, 1, "cpu")
    grid = tiny_grid(arms=arms, seeds=[0], latency={**asked, "training": True})
    plan, path = load_plan(grid), tmp_path / COSTS
    assert {row.mode for row in load(path, Costs).rows} == {"forward"} and not is_current(path, plan)
    write_costs(grid, tmp_path, 1, "cpu")
    rows = [row for row in load(path, Costs).rows if row.mode == "training"]
    assert is_current(path, plan)
    sizes = {arm.run_key: arm.spec.train.batch_size for arm in plan.arms}
    assert {row.run_key: row.batch for row in rows} == sizes and sorted(sizes.values())[0] == 5
    length, model = rows[0].length, assemble_without_weights(plan.arms[0].spec.model)
    assert {row.run_key: row.flops for row in rows} == {
        key: model.training_flops(batch, length) for key, batch in sizes.items()
    }
