"""Claims about a published accuracy: whether our runs reach it, and what simpler predictors reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...recipes import spec_of, value_at
from ...statistics.interval import Interval, wilson
from ...study.model import Arm, GridStudy, Reference
from ...words import plural, with_bounds
from ..amounts import Amount, above, below
from ..judgement import Finding, Ruling, listed, once, untestable
from ..rule import Rule, register

if TYPE_CHECKING:
    from ...published import Claim, Published
    from ...study.model import Study
    from ..measurements import Measurements

TRAINED = {"train.epochs": "epochs", "train.precision": "precision"}
"""Keys of a spec that say how a run was trained → their words."""


@dataclass(frozen=True)
class Trained:
    """An arm with the grid that it is of and how it was trained."""

    grid: GridStudy
    arm: Arm
    how: str

    @property
    def accuracy(self) -> Interval:
        """Over seeds; of a single run, over the examples."""
        over_seeds = self.arm.accuracy
        if over_seeds is not None and over_seeds.n > 1:
            return over_seeds
        run = self.arm.runs.iloc[0]
        return wilson(float(run["accuracy"]), int(run["test_examples"]))

    @property
    def words(self) -> str:
        return f"{with_bounds(self.accuracy)} ({self.grid.name}, {plural(self.arm.n, 'seed')}: {self.how})"


@register("reproduced")
class Reproduced(Rule):
    """Confirmed where the interval of our runs of the variant, on the whole of the task, reaches the claim's number.

    A lower one refutes nothing, as the published training is not known in full.
    """

    variant: str
    task: str

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        """See the class."""
        number, runs = published.number(claim.published[0]), list(self._runs(study))
        if not runs:
            return untestable(f"no completed run of {self.variant} on the whole of {self.task} in this evidence")
        reached = any(below(_amount(run.accuracy), number.amount) is not True for run in runs)
        best = max(runs, key=lambda run: _amount(run.accuracy).value)
        return Finding(
            Ruling.CONFIRMED if reached else Ruling.NOT_CONFIRMED,
            f"{with_bounds(best.accuracy)} %, {plural(best.arm.n, 'seed')}",
            listed(run.words for run in runs),
            "our interval reaches the published figure" if reached else
            "our training stays below it, which refutes nothing: the published one, with augmentation, is another",
            once(source for run in runs for source in run.arm.sources),
        )  # fmt: skip

    def _runs(self, study: Study) -> Iterator[Trained]:
        for grid in study.grids:
            for arm in (*grid.arms, *grid.others):
                if (grid.task, arm.variant) == (self.task, self.variant) and arm.n:
                    spec = spec_of(grid.folder / Path(arm.runs["where"].iloc[0]).name)
                    if not value_at(spec, "data.task.limit"):
                        how = ", ".join(f"{words} {value_at(spec, key)}" for key, words in TRAINED.items())
                        yield Trained(grid, arm, how)


@register("baselines")
class Baselines(Rule):
    """The claim's number against the baselines measured on the same test split, which has so many ``examples``.

    Refuted where one is above it beyond its interval, confirmed where all are below it beyond theirs.
    """

    task: str
    examples: Annotated[int, Field(gt=0)]

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        """See the class."""
        number, baselines = published.number(claim.published[0]), self._baselines(study)
        if not baselines:
            return untestable(f"no baselines of {self.task} on its {self.examples:,} test examples in this evidence")
        over = [each.name for each in baselines if above(_amount(each.accuracy), number.amount)]
        under = [each.name for each in baselines if below(_amount(each.accuracy), number.amount)]
        proven = Ruling.CONFIRMED if len(under) == len(baselines) else Ruling.NOT_CONFIRMED
        best = max(baselines, key=lambda each: each.accuracy.mean)
        return Finding(
            Ruling.REFUTED if over else proven,
            f"{best.name}: {with_bounds(best.accuracy)} %",
            listed(f"{each.name} {with_bounds(each.accuracy)}" for each in baselines),
            f"above the published {number.text}: {', '.join(over) or 'none'}; "
            f"below it: {', '.join(under) or 'none'}",
            once((*(source for each in baselines for source in each.sources), number.source)),
        )  # fmt: skip

    def _baselines(self, study: Study) -> list[Reference]:
        """Of one name, the first."""
        known: dict[str, Reference] = {}
        for grid in study.grids:
            for each in grid.references if grid.task == self.task else ():
                if (each.kind, each.split, each.accuracy.n) == ("baseline", "test", self.examples):
                    known.setdefault(each.name, each)
        return list(known.values())


def _amount(interval: Interval) -> Amount:
    """Without bounds it is taken as it stands."""
    low, high = (interval.mean if end is None else end for end in (interval.low, interval.high))
    return Amount(interval.mean, low, high)
