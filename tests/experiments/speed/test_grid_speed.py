"""The figure of the grid's speed, on a grid that is all start-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.speed.grid import grid_figure, measure_grid, per_hour
from swarmformer.errors import SwarmformerError


def test_figures_follow_from_the_medians() -> None:
    alone_s, pool_s = [200.0, 240.0, 900.0], [100.0, 120.0, 130.0]
    row = grid_figure({"description": "demo", "workers": 2, "one_after_another_s": alone_s, "pool_s": pool_s})
    assert row["ratio"] == 2.0 and row["reached"] and row["rounds"] == 3
    assert per_hour(16, alone_s, pool_s) == {"one_after_another": 240.0, "pool": 480.0}


@pytest.mark.slow
def test_a_shortened_grid_runs_both_ways(tiny_grid: Callable[..., Path], tmp_path: Path) -> None:
    speed = measure_grid(tmp_path / "speed", grid=tiny_grid(), arms=2, seeds=1, epochs=1, rounds=2)
    assert speed["description"] == "tiny: 2 arms × 1 seeds, 1 epochs"
    assert speed["cells"] == 2
    assert len(speed["one_after_another_s"]) == len(speed["pool_s"]) == 2 and min(speed["pool_s"]) > 0
    for name in ("alone-0", "pool-0", "alone-1", "pool-1"):
        assert len(list((tmp_path / "speed" / name / "tiny").glob("*/result.json"))) == 2
    with pytest.raises(FileExistsError):
        measure_grid(tmp_path / "speed", grid=tiny_grid(), arms=2, seeds=1, epochs=1)


@pytest.mark.slow
def test_a_cell_that_fails_is_told(tiny_grid: Callable[..., Path], tmp_path: Path) -> None:
    diverging = tiny_grid(train={"epochs": 1, "batch_size": 8, "lr": 1e30, "clip_norm": 0.0})
    with pytest.raises(SwarmformerError, match="ended with status 1"):
        measure_grid(tmp_path / "speed", grid=diverging, arms=1, seeds=1)
