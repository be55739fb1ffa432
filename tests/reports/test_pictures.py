"""Pictures: nothing that must be read is cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.pictures import accuracy_flops
from reports.read import read_runs
from reports.table import build_tables
from tests.reports.synthetic_runs import write_grid


@pytest.mark.parametrize("length", [4, 12, 15, 16, 17, 18, 25, 34, 35, 60])
def test_the_legend_lies_inside_the_picture(tmp_path: Path, length: int) -> None:
    arms = ["base", *(f"{number}{'w' * (length - 1)}" for number in range(1, 8))]
    grid = tmp_path / "grid"
    write_grid(grid, {arm: {0: 0.5, 1: 0.6} for arm in arms})
    figure = accuracy_flops(build_tables(read_runs([grid])))
    figure.draw_without_rendering()
    boxes = [axis.get_legend().get_window_extent() for part in figure.subfigs for axis in part.axes]
    assert boxes
    for box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0
