"""The figure of the grid's speed, on a grid that is all start-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.speed.grid import grid_figure, measure_grid, per_hour
from swarmformer.errors import SwarmformerError
from swarmformer.records import CellsPerHour, GridSpeed


def test_figures_follow_from_the_medians() -> None:
    alone_s, pool_s = [200.0, 240.0, 900.0], [100.0, 120.0, 130.0]
    rates = per_hour(16, alone_s, pool_s)
    assert rates == CellsPerHour(one_after_another=240.0, pool=480.0)
    found = GridSpeed(
        description="demo", cells=16, threads=2, workers=2, one_after_another_s=tuple(alone_s), pool_s=tuple(pool_s),
        cells_per_hour=rates, same_metrics=True,
    )  # fmt: skip
    row = grid_figure(found)
    assert row.ratio == 2.0 and row.reached and row.rounds == 3 and row.ours == "2 workers"


@pytest.mark.slow
def test_a_shortened_grid_runs_both_ways(tiny_grid: Callable[..., Path], tmp_path: Path) -> None:
    speed = measure_grid(tmp_path / "speed", grid=tiny_grid(), arms=2, seeds=1, epochs=1, rounds=2)
    assert speed.description == "tiny: 2 arms × 1 seeds, 1 epochs"
    assert speed.cells == 2
    assert len(speed.one_after_another_s) == len(speed.pool_s) == 2 and min(speed.pool_s) > 0
    for name in ("alone-0", "pool-0", "alone-1", "pool-1"):
        assert len(list((tmp_path / "speed" / name / "tiny").glob("*/result.json"))) == 2
    with pytest.raises(FileExistsError):
        measure_grid(tmp_path / "speed", grid=tiny_grid(), arms=2, seeds=1, epochs=1)


@pytest.mark.slow
def test_a_cell_that_fails_is_told(tiny_grid: Callable[..., Path], tmp_path: Path) -> None:
    diverging = tiny_grid(train={"epochs": 1, "batch_size": 8, "lr": 1e30, "clip_norm": 0.0})
    with pytest.raises(SwarmformerError, match="ended with status 1"):
        measure_grid(tmp_path / "speed", grid=diverging, arms=1, seeds=1)
