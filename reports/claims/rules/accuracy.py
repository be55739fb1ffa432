"""Claims about a published accuracy: whether our runs reach it, and what simpler predictors reach."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...published import Claim, Number, Published
from ...recipes import Recipe, as_published, recipes
from ...statistics.interval import LEVEL, Interval, at_level, wilson
from ...study.model import Study
from ...study.subjects import Arm, Reference
from ...words import plural, with_bounds
from ..amounts import Amount, above, below
from ..judgement import Finding, Ruling, joined, once, untestable
from ..measurements import Measurements
from ..rule import Rule, register

TRAINED = {
    "train.epochs": "epochs", "train.optimiser.lr": "learning rate", "train.batch_size": "batch",
    "train.precision": "precision", "model.embedding.init_std": "init_std", "data.cut": "cut",
    "train.objective.label_smoothing": "label smoothing",
}  # fmt: skip
"""Keys of a spec: what a reader must know of how a run was trained."""


@register("reproduced")
class Reproduced(Rule):
    """Confirmed where all of the interval over seeds of our runs of the variant, of its published sizes and on the
    whole of the task, is at the claim's number or above: one that merely reaches it may be that wide because it is of
    few runs, and one run has no interval over seeds.

    A lower one refutes nothing, as the published training selects on the test split, and ours does not.

    No margin is asked, but only runs of a grid that was registered before them and kept to confirm, and with several
    such recipes their intervals share the 5 % (Bonferroni): of recipes and seeds that are tried until one reaches the
    number, one will.
    """

    variant: str
    task: str

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        number = published.number(claim.published[0])
        runs, _ = recipes(study, self.variant, self.task, as_published(published, self.variant), TRAINED)
        if not runs:
            return untestable(f"no completed run of {self.variant} at its published sizes on the whole of {self.task}",
                              self._wanted(number))  # fmt: skip
        several = [run for run in runs if _has_bounds(run.arm) and not run.grid.followed.unregistered]
        level = 1 - (1 - LEVEL) / max(len(several), 1)
        reached = any(_amount(at_level(_accuracy(run.arm), level)).low >= number.amount.low for run in several)
        unregistered = {f"{run.grid.name} decides nothing: {why}": None
                        for run in runs if (why := run.grid.followed.unregistered)}  # fmt: skip
        best = max(runs, key=lambda run: _accuracy(run.arm).mean)
        unlike = " and ".join(best.unlike(published, self.variant))
        return Finding(
            Ruling.CONFIRMED if reached else Ruling.NOT_CONFIRMED,
            f"{_told(best, ' %')} of {best.name}{', not the published recipe' if unlike else ''}",
            joined(f"{_told(run)} ({run.name}: {run.words})" for run in runs),
            joined([(f"all of our interval is at the published figure or above, by the training of {best.name}"
                     f"{f', not with the published {unlike}' if unlike else ''}") if reached
                    else "not all of our interval is, which refutes nothing: the published training selects on test",
                    *unregistered]),
            once(source for run in runs for source in run.arm.sources),
            f"further seeds whose interval begins below {number.text}" if reached else self._wanted(number),
        )  # fmt: skip

    def _wanted(self, number: Number) -> str:
        return (f"a registered grid with two seeds or more of {self.variant} at its published sizes on the whole of "
                f"{self.task}, all of whose interval is at {number.text} or above")  # fmt: skip


@register("baselines")
class Baselines(Rule):
    """The claim's number against the baselines measured on the same test split, which has so many ``examples``.

    Refuted where one is above it beyond its interval, confirmed where all are below it beyond theirs. They are fitted
    without seeds or choices on the test split, so that registration would add nothing.
    """

    task: str
    examples: Annotated[int, Field(gt=0)]

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        number, baselines = published.number(claim.published[0]), self._baselines(study)
        if not baselines:
            return untestable(f"no baselines of {self.task} on its {self.examples:,} test examples in this evidence",
                              f"a grid of {self.task} with baselines: floors")  # fmt: skip
        over = [each.name for each in baselines if above(_amount(each.accuracy), number.amount)]
        under = [each.name for each in baselines if below(_amount(each.accuracy), number.amount)]
        proven = Ruling.CONFIRMED if len(under) == len(baselines) else Ruling.NOT_CONFIRMED
        best = max(baselines, key=lambda each: each.accuracy.mean)
        return Finding(
            Ruling.REFUTED if over else proven,
            f"{best.name}: {with_bounds(best.accuracy)} %",
            joined(f"{each.name} {with_bounds(each.accuracy)}" for each in baselines),
            f"above the published {number.text}: {', '.join(over) or 'none'}; "
            f"below it: {', '.join(under) or 'none'}",
            once((*(source for each in baselines for source in each.sources), number.source)),
            "a stronger baseline" if not over else "nothing that is trained: only another published number",
        )  # fmt: skip

    def _baselines(self, study: Study) -> list[Reference]:
        """Of one name, the first."""
        known: dict[str, Reference] = {}
        for grid in study.grids:
            for each in grid.references if grid.task == self.task else ():
                if (each.kind, each.split, each.accuracy.n) == ("baseline", "test", self.examples):
                    known.setdefault(each.name, each)
        return list(known.values())


def _told(run: Recipe, unit: str = "") -> str:
    """``87.60 [87.35, 87.84] %, 3 seeds``; the bounds of a single run say nothing of another one."""
    of_one = " over the test examples of one run alone" if run.arm.n == 1 else ""
    return f"{with_bounds(_accuracy(run.arm))}{unit}{of_one}, {plural(run.arm.n, 'seed')}"


def _has_bounds(arm: Arm) -> bool:
    return arm.accuracy is not None and arm.accuracy.half is not None


def _accuracy(arm: Arm) -> Interval:
    """Over seeds; of a single run, over the examples."""
    if arm.accuracy is not None and arm.accuracy.n > 1:
        return arm.accuracy
    run = arm.runs.iloc[0]
    return wilson(float(run["accuracy"]), int(run["test_examples"]))


def _amount(interval: Interval) -> Amount:
    return Amount.between(interval.mean, interval.low, interval.high)
