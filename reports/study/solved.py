"""Which seeds of an arm solve a task that is solved or not, after how many steps, and whether counts differ."""

from __future__ import annotations

from dataclasses import dataclass, field

from scipy.stats import fisher_exact

from swarmformer.records import CurveLine, ValidationLine

from ..statistics.interval import Interval, wilson
from ..statistics.verdict import holm
from .curves import lines_of
from .model import Arm, GridStudy


@dataclass(frozen=True)
class Count:
    """The seeds of an arm that solve a task, and those that do not.

    by_seed: test accuracy; line: from which a seed has solved it. steps: of the seeds that solve it, the first
    validation at the line, where there was one. p, p_holm: Fisher's exact test of the counts against those of the base,
    and after Holm's correction over the arms; None for the base, and where there is none.
    """

    arm: Arm
    line: float
    by_seed: dict[int, float]
    steps: tuple[int, ...]
    p: float | None = field(default=None)
    p_holm: float | None = field(default=None)

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
    line = share * _oracle(grid)
    found = [_count(grid, arm, line) for arm in grid.arms if arm.n] if line else []
    base = next((count for count in found if count.arm.is_base), None)
    p_values = [_against(count, base) for count in found]
    return [
        Count(count.arm, line, count.by_seed, count.steps, p, p_holm)
        for count, p, p_holm in zip(found, p_values, holm(p_values), strict=True)
    ]


def _oracle(grid: GridStudy) -> float:
    """Test accuracy of the best oracle; 0 where there is none."""
    known = [one for one in grid.references if one.kind == "oracle" and one.split == "test"]
    return max((one.accuracy.mean for one in known if one.data_key == grid.data_key), default=0.0)


def _count(grid: GridStudy, arm: Arm, line: float) -> Count:
    by_seed = dict(zip(map(int, arm.column("seed")), arm.column("accuracy"), strict=True))
    curves = lines_of(grid, arm)
    first = [_first(curves[seed], line) for seed in curves if by_seed[seed] >= line]
    return Count(arm, line, by_seed, tuple(step for step in first if step is not None))


def _first(lines: list[CurveLine], line: float) -> int | None:
    """The step of the first validation at the line."""
    reached = (each.step for each in lines if isinstance(each, ValidationLine) and each.accuracy >= line)
    return next(reached, None)


def _against(count: Count, base: Count | None) -> float | None:
    if base is None or count is base:
        return None
    return float(fisher_exact([[len(one.solved), len(one.unsolved)] for one in (count, base)]).pvalue)
