"""What the arms of a grid answer to the test splits of other tasks, which none of their choices has looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..statistics.contrast import difference
from ..statistics.interval import Interval, accuracy_interval
from ..statistics.verdict import holm
from .families import possible
from .model import Arm, GridStudy, Reference, Sources


@dataclass(frozen=True)
class Answered:
    """An arm on another task. Accuracies are fractions of one.

    values: accuracy there by seed. change: that less the accuracy on its own test split, within each seed. to_base:
    less that of the base arm, paired by seed; p, p_holm: of no difference, and after Holm's correction over the arms;
    None for the base, and where there is no interval. both: runs of the arm and of the base.
    """

    arm: Arm
    values: dict[int, float]
    accuracy: Interval | None
    change: Interval | None
    sources: Sources
    to_base: Interval | None = None
    p: float | None = None
    p_holm: float | None = None
    both: Sources = ()


@dataclass(frozen=True)
class Elsewhere:
    """Another task, called ``task``: the arms in the grid's order, and the grid's baselines as far as they are known.

    copies: of its test texts how many stand in the source's training texts too; None where it was not counted.
    """

    task: str
    arms: tuple[Answered, ...]
    baselines: tuple[Reference, ...]
    copies: int | None


def elsewhere(grid: GridStudy) -> list[Elsewhere]:
    """Every other task that a run of the grid has answered, by name."""
    results = [result for result in grid.results.values() if result is not None]
    tasks = sorted({task for result in results for task in result.out_of_domain})
    return [
        Elsewhere(task, tuple(_against_base(grid, task)), grid.elsewhere.get(task, ()), grid.copies.get(task))
        for task in tasks
    ]


def _against_base(grid: GridStudy, task: str) -> Iterator[Answered]:
    found = [_answered(grid, arm, task) for arm in grid.arms]
    values = {one.arm.name: one.values for one in found}
    base = next((one for one in found if one.arm.is_base), None)
    compared = {one.arm.name: possible(difference(values, one.arm.name, base.arm.name)) for one in found
                if base is not None and one is not base}  # fmt: skip
    corrected = dict(zip(compared, holm([estimate.p for estimate in compared.values()]), strict=True))
    for one in found:
        if base is None or one is base:
            yield one
            continue
        estimate = compared[one.arm.name]
        both = tuple(source for each in (one, base) for source in each.arm.sources_of(estimate.by_seed))
        yield replace(one, to_base=estimate.interval, p=estimate.p, p_holm=corrected[one.arm.name], both=both)


def _answered(grid: GridStudy, arm: Arm, task: str) -> Answered:
    runs = zip(arm.column("where"), arm.column("seed"), strict=True)
    results = {int(seed): grid.results[where] for where, seed in runs}
    known = {seed: result for seed, result in results.items() if result and task in result.out_of_domain}
    values = {seed: result.out_of_domain[task].accuracy for seed, result in known.items()}
    own = {seed: result.metrics.test.accuracy for seed, result in known.items()}
    change = possible(difference({"there": values, "own": own}, "there", "own")).interval
    sources = arm.sources_of(values) if values else ()
    return Answered(arm, values, accuracy_interval(list(values.values())), change, sources)
