"""An arm from its runs, its plan and the grid's timings."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from swarmformer.records import PLAN, PlannedArm

from ..statistics.interval import accuracy_interval
from .alike import Parted
from .costs import speeds_of
from .frame import MEASURES
from .model import Arm, Size
from .read import Grid


def arms_of(grid: Grid, task: str, parted: Parted, metric: str) -> tuple[Arm, ...]:
    """Every arm of a task, the plan's order first; one without runs is there too, with nothing measured."""
    runs = parted.kept
    return tuple(_arm(grid, name, runs[runs["arm"] == name], metric) for name in _names(grid, task))


def others_of(grid: Grid, parted: Parted, metric: str) -> tuple[Arm, ...]:
    """Runs that are unlike those of ``arms_of``, as arms of their own."""
    return tuple(_arm(grid, str(runs["arm"].iloc[0]), runs, metric, words) for words, runs in parted.others)


def _names(grid: Grid, task: str) -> list[str]:
    """Arms of this task; an arm whose task is not known yet is of every task."""
    tasks: dict[str, set[str]] = {arm.arm: set() for arm in grid.planned}
    for cell in sorted(grid.cells, key=lambda cell: cell.arm or ""):
        if cell.arm is not None:
            tasks.setdefault(cell.arm, set()).update({cell.task} if cell.task is not None else set())
    return [arm for arm, known in tasks.items() if task in known or not known]


def _arm(grid: Grid, name: str, runs: pd.DataFrame, metric: str, unlike: str = "") -> Arm:
    planned = next((arm for arm in grid.planned if arm.arm == name), None)
    sources = tuple(runs["where"]) or ((f"{grid.folder.name}/{PLAN}",) if planned else ())
    key = str(runs["run_key"].iloc[0]) if len(runs) else planned.run_key if planned else ""
    size = _size_of_runs(runs, sources) if len(runs) else _size_of_plan(planned, sources)
    return Arm(
        name=name,
        variant=str(runs["variant"].iloc[0]) if len(runs) else planned.variant if planned else "",
        run_key=key,
        is_base=name == grid.base and not unlike,
        runs=runs,
        planned=_planned_seeds(grid, name, len(runs)),
        accuracy=accuracy_interval(runs["accuracy"].tolist()),
        value=accuracy_interval(runs[metric].tolist()),
        validation=accuracy_interval(runs["validation_accuracy"].tolist()),
        values=by_seed(runs, metric),
        means={measure: float(runs[measure].mean()) for measure in MEASURES} if len(runs) else {},
        size=size,
        speeds=speeds_of(grid.costs, key, size.length if size else 0, f"{grid.folder.name}/costs.json", sources),
        sources=sources,
        model=next((cell.model for cell in grid.cells if cell.arm == name and cell.model), ""),
        unlike=unlike,
    )


def by_seed(runs: pd.DataFrame, column: str) -> Mapping[int, float]:
    """Seed → value, in the order of seeds."""
    pairs = sorted(zip(runs["seed"], runs[column], strict=True))
    return {int(seed): float(value) for seed, value in pairs}


def _planned_seeds(grid: Grid, arm: str, otherwise: int) -> int:
    return sum(cell.arm == arm for cell in grid.plan.cells) if grid.plan else otherwise


def _size_of_runs(runs: pd.DataFrame, sources: tuple[str, ...]) -> Size:
    columns = ("parameters_total", "parameters_without_embedding", "flops_forward", "flops_length")
    total, without, flops, length = (int(runs[column].iloc[0]) for column in columns)
    return Size(total, without, flops, length, sources)


def _size_of_plan(planned: PlannedArm | None, sources: tuple[str, ...]) -> Size | None:
    if planned is None:
        return None
    parameters, flops = planned.parameters, planned.flops
    return Size(parameters.total, parameters.without_embedding, flops.forward, flops.length, sources)
