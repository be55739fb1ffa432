"""Which seeds of an arm solve a task that is solved or not, after how many steps, and whether counts differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scipy.stats import fisher_exact

from swarmformer.records import CurveLine, ValidationLine

from ..statistics.interval import Interval, wilson
from ..statistics.verdict import holm
from .curves import lines_of
from .model import GridStudy
from .subjects import Arm, Reference, Sources


@dataclass(frozen=True)
class Count:
    """The seeds of an arm that solve a task, and those that do not.

    by_seed: test accuracy; line: from which a seed has solved it, by the oracle. steps: of the seeds that solve it, the
    first validation at the line; None where validation was never there. p, p_holm: Fisher's exact test of the counts
    against those of the base, and after Holm's correction over the arms; None for the base, and where there is none.
    """

    arm: Arm
    line: float
    oracle: Reference
    by_seed: dict[int, float]
    steps: tuple[int | None, ...]
    p: float | None = None
    p_holm: float | None = None
    least_p: float | None = None
    """What p is where all seeds of the one and none of the other solve it: few seeds cannot be told apart."""

    @property
    def sources(self) -> Sources:
        return (*self.arm.sources, *self.oracle.sources)

    @property
    def solved(self) -> list[float]:
        return [accuracy for accuracy in self.by_seed.values() if accuracy >= self.line]

    @property
    def unsolved(self) -> list[float]:
        return [accuracy for accuracy in self.by_seed.values() if accuracy < self.line]

    @property
    def share(self) -> Interval:
        """Of the seeds, with Wilson's interval."""
        return wilson(len(self.solved) / len(self.by_seed), len(self.by_seed))


def counts(grid: GridStudy, share: float) -> list[Count]:
    """Of every arm with completed runs; none where the task has no oracle.

    share: of the best oracle's test accuracy, from which a seed counts as having solved the task.
    """
    oracle = _oracle(grid)
    if oracle is None:
        return []
    found = [_count(grid, arm, oracle, share) for arm in grid.arms if arm.n]
    base = next((count for count in found if count.arm.is_base), None)
    p_values = [_against(count, base) for count in found]
    corrected = zip(found, p_values, holm(p_values), strict=True)
    return [replace(count, p=p, p_holm=p_holm, least_p=_least(count, base)) for count, p, p_holm in corrected]


def _oracle(grid: GridStudy) -> Reference | None:
    """The best one on the grid's own test split."""
    known = [one for one in grid.references if one.kind == "oracle" and one.split == "test"]
    mine = [one for one in known if one.data_key == grid.data_key]
    return max(mine, key=lambda one: one.accuracy.mean, default=None)


def _count(grid: GridStudy, arm: Arm, oracle: Reference, share: float) -> Count:
    line = share * oracle.accuracy.mean
    by_seed = dict(zip(map(int, arm.column("seed")), arm.column("accuracy"), strict=True))
    steps = (_first(lines, line) for seed, lines in lines_of(grid, arm) if by_seed[seed] >= line)
    return Count(arm, line, oracle, by_seed, tuple(steps))


def _first(lines: list[CurveLine], line: float) -> int | None:
    """The step of the first validation at the line."""
    reached = (each.step for each in lines if isinstance(each, ValidationLine) and each.accuracy >= line)
    return next(reached, None)


def _against(count: Count, base: Count | None) -> float | None:
    if base is None or count is base:
        return None
    return float(fisher_exact([[len(one.solved), len(one.unsolved)] for one in (count, base)]).pvalue)


def _least(count: Count, base: Count | None) -> float | None:
    if base is None or count is base:
        return None
    return float(fisher_exact([[len(count.by_seed), 0], [0, len(base.by_seed)]]).pvalue)
