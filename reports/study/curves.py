"""The curves that the runs of an arm wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from swarmformer.records import CURVE, CurveLine, UnreadableFileError, read_curve

from .model import GridStudy
from .subjects import Arm


def arm_curves(grid: GridStudy, arm: Arm) -> dict[int, Path]:
    """Where the curves of an arm's runs are, if they have any, by seed in its order."""
    by_seed = sorted(zip(arm.column("seed"), arm.column("where"), strict=True)) if arm.n else []
    return {int(seed): grid.folder / Path(where).name / CURVE for seed, where in by_seed}


def lines_of(grid: GridStudy, arm: Arm) -> Iterator[tuple[int, list[CurveLine]]]:
    """Seed and lines of each, without those that are missing or cannot be read."""
    for seed, path in arm_curves(grid, arm).items():
        try:
            yield seed, read_curve(path.parent, grid.results.get(f"{grid.folder.name}/{path.parent.name}"))
        except UnreadableFileError:
            continue  # whoever shows curves counts those that there are, and says so
