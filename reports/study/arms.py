"""Arms of a grid from its runs, its plan and its timings; and the baselines and oracles beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from swarmformer.records import OF_TEXT, PLAN, Floor, Metrics, PlannedArm

from ..statistics.interval import Interval, accuracy_interval, mean_interval, wilson
from .costs import speeds_of
from .exercise import exercised
from .model import Arm, Reference, Size
from .read import Grid
from .runs import MEASURES, Parted


def arms_of(grid: Grid, task: str, parted: Parted, metric: str) -> tuple[tuple[Arm, ...], tuple[Arm, ...]]:
    """Every arm of a task, the plan's order first, one without runs too, with nothing measured; and runs that are
    unlike those, as arms of their own."""
    runs = parted.kept
    arms = [_arm(grid, name, runs[runs["arm"] == name], metric) for name in _names(grid, task)]
    others = [_arm(grid, str(unlike["arm"].iloc[0]), unlike, metric, words) for words, unlike in parted.others]
    return tuple(arms), tuple(others)


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
    size = _size(runs, planned, sources)
    cells = [cell for cell in grid.cells if cell.where in set(runs["where"])]
    by_seed = sorted(zip(runs["seed"], runs[metric], strict=True))
    return Arm(
        name=name,
        variant=str(runs["variant"].iloc[0]) if len(runs) else planned.variant if planned else "",
        run_key=key,
        is_base=name == grid.base and not unlike,
        runs=runs,
        planned=sum(cell.arm == name for cell in grid.plan.cells) if grid.plan else len(runs),
        accuracy=accuracy_interval(runs["accuracy"].tolist()),
        value=accuracy_interval(runs[metric].tolist()),
        validation=accuracy_interval(runs["validation_accuracy"].tolist()),
        values={int(seed): float(value) for seed, value in by_seed},
        means={measure: float(runs[measure].mean()) for measure in MEASURES} if len(runs) else {},
        size=size,
        speeds=speeds_of(grid.costs, key, size.length if size else 0, f"{grid.folder.name}/costs.json", sources),
        sources=sources,
        model=next((cell.model for cell in grid.cells if cell.arm == name and cell.model), ""),
        unlike=unlike,
        exercised=exercised([cell.result for cell in cells if cell.result], cells[0].slots if cells else {}),
        text_metrics=_text_metrics([cell.result.metrics.test for cell in cells if cell.result]),
    )


def _text_metrics(found: Sequence[Metrics | Floor]) -> dict[str, Interval]:
    """Means of what only running text has; nothing elsewhere."""
    columns = {name: [getattr(one, name) for one in found] for name in OF_TEXT}
    values = {name: [value for value in column if value is not None] for name, column in columns.items()}
    intervals = {name: mean_interval(column) for name, column in values.items()}
    return {name: interval for name, interval in intervals.items() if interval is not None}


def _size(runs: pd.DataFrame, planned: PlannedArm | None, sources: tuple[str, ...]) -> Size | None:
    """As measured, else as planned."""
    if len(runs):
        columns = ("parameters_total", "parameters_without_embedding", "flops_forward", "flops_length",
                   "parameters_channel")  # fmt: skip
        total, without, flops, length, channel = (int(runs[column].iloc[0]) for column in columns)
        return Size(total, without, flops, length, sources, channel)
    if planned is None:
        return None
    parameters, flops_of = planned.parameters, planned.flops
    sizes = (parameters.total, parameters.without_embedding, flops_of.forward, flops_of.length)
    return Size(*sizes, sources, parameters.channel)


def references(grid: Grid, every: Iterable[Grid], task: str, data_key: str) -> tuple[Reference, ...]:
    """Those of the grid, then what other grids measured on the same data; baselines first. Of one name, the first."""
    known = {reference.name: reference for reference in _of_grid(grid, task)}
    for reference in (reference for other in every for reference in _of_grid(other, task)):
        if reference.data_key == data_key:
            known.setdefault(reference.name, reference)
    return tuple(sorted(known.values(), key=lambda reference: reference.kind == "oracle"))


def _of_grid(grid: Grid, task: str) -> list[Reference]:
    floors = grid.floors_of(task)
    return [
        Reference(
            name=floor.name if floor.split == "test" else f"{floor.name} ({floor.split} split)",
            kind=floor.kind,
            split=floor.split,
            accuracy=wilson(floor.accuracy, floor.n),
            detail=", ".join(f"{key} {value}" for key, value in floor.detail.items()),
            sources=(f"{grid.folder.name}/floors.json",),
            data_key=floors.data_key,
            text_metrics=_text_metrics([floor]),
        )
        for floor in floors.floors
    ] if floors else []
