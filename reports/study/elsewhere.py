"""What the arms of a grid answer to the test splits of other tasks, which none of their choices has looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from swarmformer.records import Result

from ..statistics.contrast import Estimate, difference
from ..statistics.interval import Interval, accuracy_interval
from ..statistics.verdict import holm
from .families import counted, found_by
from .model import GridStudy
from .subjects import Arm, Baselines, Sources


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
    """Another task, called ``task``: the arms in the grid's order, and the grid's baselines, where they are of the same
    texts. power: what the differences from the base could have found, empty where none has two seeds. others: runs that
    answered other texts of that name, which are left out."""

    task: str
    arms: tuple[Answered, ...]
    baselines: Baselines | None
    power: str = ""
    others: int = 0


def elsewhere(grid: GridStudy) -> list[Elsewhere]:
    """Every other task that a run of the grid has answered, by name."""
    results = [result for result in grid.results.values() if result is not None]
    tasks = sorted({task for result in results for task in result.out_of_domain})
    return [_elsewhere(grid, task, results) for task in tasks]


def _elsewhere(grid: GridStudy, task: str, results: Sequence[Result]) -> Elsewhere:
    """Of the texts that most runs have answered under this name."""
    keys = Counter(result.out_of_domain[task].data_key for result in results if task in result.out_of_domain)
    key, count = keys.most_common(1)[0]
    baselines = grid.elsewhere.get(task)
    fitting = baselines if baselines and baselines.data_key == key else None
    found = [_answered(grid, arm, task, key) for arm in grid.arms]
    base = next((one for one in found if one.arm.is_base), None)
    values = {one.arm.name: one.values for one in found}
    compared = {one.arm.name: counted(difference(values, one.arm.name, base.arm.name), grid.looks) for one in found
                if base is not None and one is not base}  # fmt: skip
    arms = tuple(_against_base(found, base, compared))
    return Elsewhere(task, arms, fitting, found_by([*compared.values()]), keys.total() - count)


def _against_base(
    found: Sequence[Answered], base: Answered | None, compared: Mapping[str, Estimate]
) -> Iterator[Answered]:
    corrected = dict(zip(compared, holm([estimate.p for estimate in compared.values()]), strict=True))
    for one in found:
        if base is None or one is base:
            yield one
            continue
        estimate = compared[one.arm.name]
        both = tuple(source for each in (one, base) for source in each.arm.sources_of(estimate.by_seed))
        yield replace(one, to_base=estimate.interval, p=estimate.p, p_holm=corrected[one.arm.name], both=both)


def _answered(grid: GridStudy, arm: Arm, task: str, key: str) -> Answered:
    values, own = dict[int, float](), dict[int, float]()
    for where, seed in zip(arm.column("where"), arm.column("seed"), strict=True):
        result = grid.results[where]
        there = result.out_of_domain.get(task) if result else None
        if result and there and there.data_key == key:
            values[int(seed)], own[int(seed)] = there.accuracy, result.metrics.test.accuracy
    change = counted(difference({"there": values, "own": own}, "there", "own"), grid.looks).interval
    sources = arm.sources_of(values) if values else ()
    return Answered(arm, values, accuracy_interval(list(values.values())), change, sources)
