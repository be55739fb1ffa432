"""Latency of a grid that was measured before: kept, and told where something else is asked for by now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.execute.local import Local
from experiments.execute.scheduler import GridScheduler
from experiments.plan import load_plan
from swarmformer.records import COSTS
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
