"""Arms of a grid from its runs, its plan and its timings; and the baselines and oracles beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from swarmformer.records import OF_TEXT, PLAN, Floor, Metrics, PlannedArm

from ..statistics.interval import Interval, accuracy_interval, mean_interval, wilson, within
from .costs import Latencies, latencies_of, speeds_of
from .exercise import exercised
from .grid import Cell, Grid
from .runs import MEASURES, Parted
from .subjects import Arm, Baselines, Reference, Size

SIZE = ("parameters_total", "parameters_without_embedding", "flops_forward", "flops_length", "parameters_channel")
Columns = Mapping[str, Sequence[Any]]


def arms_of(grid: Grid, task: str, parted: Parted, metric: str) -> tuple[tuple[Arm, ...], tuple[Arm, ...]]:
    """Every arm of a task, the plan's order first, one without runs too, with nothing measured; and runs that are
    unlike those, as arms of their own."""
    runs, known = parted.kept, Known.of(grid)
    by_arm, none = _by_arm(runs), (runs.iloc[:0], {str(name): list[Any]() for name in runs})
    arms = [_arm(known, name, *by_arm.get(name, none), metric) for name in _names(grid, task)]
    others = [_arm(known, str(unlike["arm"].iloc[0]), unlike, unlike.to_dict("list"), metric, words)
              for words, unlike in parted.others]  # fmt: skip
    return tuple(arms), tuple(others)


def _by_arm(runs: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, Columns]]:
    """The runs of each arm, and the same as lists: every column is read once, not once for every arm."""
    runs = runs.sort_values("arm", kind="stable")  # slices of what lies together are cheap
    whole, found = runs.to_dict("list"), dict[str, tuple[pd.DataFrame, Columns]]()
    for arm, places in groupby(range(len(runs)), key=whole["arm"].__getitem__):
        mine = list(places)
        part = slice(mine[0], mine[-1] + 1)
        found[arm] = runs.iloc[part], {str(name): values[part] for name, values in whole.items()}
    return found


@dataclass(frozen=True)
class Known:
    """What a grid's files say, by the arm or the run that it is of. ``asked``: how many cells of an arm are planned;
    ``models``: name of its architecture; ``places``: a cell's place in the grid's order."""

    grid: Grid
    planned: Mapping[str, PlannedArm]
    asked: Mapping[str, int]
    models: Mapping[str, str]
    cells: Mapping[str, Cell]
    places: Mapping[str, int]
    latencies: Latencies

    @classmethod
    def of(cls, grid: Grid) -> Known:
        return cls(
            grid=grid,
            planned={arm.arm: arm for arm in reversed(grid.planned)},
            asked=Counter(cell.arm for cell in grid.plan.cells) if grid.plan else {},
            models={cell.arm: cell.model for cell in reversed(grid.cells) if cell.model and cell.arm is not None},
            cells={cell.where: cell for cell in grid.cells},
            places={cell.where: place for place, cell in enumerate(grid.cells)},
            latencies=latencies_of(grid.costs),
        )

    def cells_of(self, runs: Iterable[str]) -> list[Cell]:
        """Those of the runs at these places, in the grid's order."""
        return [self.cells[where] for where in sorted(runs, key=self.places.__getitem__)]


def _names(grid: Grid, task: str) -> list[str]:
    """Arms of this task; an arm whose task is not known yet is of every task."""
    tasks: dict[str, set[str]] = {arm.arm: set() for arm in grid.planned}
    for cell in sorted(grid.cells, key=lambda cell: cell.arm or ""):
        if cell.arm is not None:
            tasks.setdefault(cell.arm, set()).update({cell.task} if cell.task is not None else set())
    return [arm for arm, known in tasks.items() if task in known or not known]


def _arm(known: Known, name: str, runs: pd.DataFrame, column: Columns, metric: str, unlike: str = "") -> Arm:
    grid, planned = known.grid, known.planned.get(name)
    sources = tuple(column["where"]) or ((f"{grid.folder.name}/{PLAN}",) if planned else ())
    key = str(column["run_key"][0]) if len(runs) else planned.run_key if planned else ""
    size = _size(column, planned, sources)
    cells = known.cells_of(column["where"])
    timed = known.latencies, key, size.length if size else 0, f"{grid.folder.name}/costs.json", sources
    by_seed = sorted(zip(column["seed"], column[metric], strict=True))
    return Arm(
        name=name,
        variant=str(column["variant"][0]) if len(runs) else planned.variant if planned else "",
        run_key=key,
        is_base=name == grid.base and not unlike,
        runs=runs,
        planned=known.asked.get(name, 0) if grid.plan else len(runs),
        accuracy=accuracy_interval(column["accuracy"]),
        value=accuracy_interval(column[metric]),
        validation=accuracy_interval(column["validation_accuracy"]),
        values={int(seed): float(value) for seed, value in by_seed},
        means=_means(column) if len(runs) else {},
        size=size,
        speeds=speeds_of(*timed),
        step=next(iter(speeds_of(*timed, mode="training").values()), None),
        sources=sources,
        model=known.models.get(name, ""),
        unlike=unlike,
        exercised=exercised([cell.result for cell in cells if cell.result], cells[0].slots if cells else {}),
        columns=column,
        text_metrics=_text_metrics([cell.result.metrics.test for cell in cells if cell.result]),
    )


def _means(column: Columns) -> dict[str, float]:
    """Of each measure; none of seconds on different devices."""
    alike = len(set(column["device"])) == 1
    return {name: float(np.mean(column[name])) if alike or not path.startswith("seconds.") else math.nan
            for name, path in MEASURES.items()}  # fmt: skip


LEAST = {"perplexity": 1.0, "bits_per_byte": 0.0}


def _text_metrics(found: Sequence[Metrics | Floor]) -> dict[str, Interval]:
    """Means of what only running text has, their intervals as far as possible values go; nothing elsewhere."""
    columns = {name: [getattr(one, name) for one in found] for name in OF_TEXT}
    values = {name: [value for value in column if value is not None] for name, column in columns.items()}
    intervals = {name: within(mean_interval(column), LEAST[name], math.inf) for name, column in values.items()}
    return {name: interval for name, interval in intervals.items() if interval is not None}


def _size(column: Columns, planned: PlannedArm | None, sources: tuple[str, ...]) -> Size | None:
    """As measured, else as planned."""
    if column["seed"]:
        total, without, flops, length, channel = (int(column[name][0]) for name in SIZE)
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
    return [_reference(grid, floor, floors.data_key) for floor in floors.floors] if floors else []


def references_elsewhere(grid: Grid, task: str) -> dict[str, Baselines]:
    """The grid's baselines on the test splits of other tasks, by task."""
    floors = grid.floors_of(task)
    found = floors.out_of_domain if floors else {}
    return {
        name: Baselines(tuple(_reference(grid, floor) for floor in other.floors), other.data_key, other.copies)
        for name, other in found.items()
    }


def _detail(floor: Floor) -> str:
    """How it was made; where every seed draws a split, over how many, and then how on the first of them."""
    told = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in floor.detail.items()}
    made = ", ".join(f"{key} {value}" for key, value in told.items() if key not in ("splits", "lowest", "highest"))
    if "splits" not in told:
        return made
    drawn = "mean over {splits} splits of training and validation, {lowest} to {highest}".format(**told)
    return f"{drawn}; on the first: {made}" if made else drawn


def _reference(grid: Grid, floor: Floor, data_key: str = "") -> Reference:
    return Reference(
        name=floor.name if floor.split == "test" else f"{floor.name} ({floor.split} split)",
        kind=floor.kind,
        split=floor.split,
        accuracy=wilson(floor.accuracy, floor.n),
        detail=_detail(floor),
        sources=(f"{grid.folder.name}/floors.json",),
        data_key=data_key,
        text_metrics=_text_metrics([floor]),
    )
