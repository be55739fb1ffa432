"""Claims about accuracy: main effects of factors in every fraction, and arms against their controls.

What is said in a grid:
    better, worse      the 95 % interval lies off zero and not within the margin, and p is below 0.05 after Holm
                       (over the main effects of the grid; over the grids, for an arm against its control);
    equivalent         the interval lies within the margin that the grid registered (none: never);
    undecided          anything else, one run without an interval included.

A claim that something is better is confirmed where it is better in every grid, and refuted where it is worse or
equivalent in every grid. A claim that accuracy is kept is confirmed where the interval lies above minus the margin in
every grid, and refuted where it is worse in every grid. Else they are not confirmed, and without runs not testable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..schema import FACTORIALS, Design
from ..statistics.effects import factorial_effects
from ..statistics.interval import Interval
from ..statistics.multiple import holm
from ..statistics.paired import p_of_mean, paired_difference
from ..statistics.verdict import Verdict, verdict
from ..view import View
from ..words import p_value, percent, with_bounds
from .decide import BeatsControl, Claimed, Effect
from .finding import Context, Finding, Ruling, listed, once, untestable

LEVEL = 0.05
"""Of p after Holm's correction."""


@dataclass(frozen=True)
class Said:
    """What one grid says of an effect; ``margin`` None where none was registered."""

    seen: View
    interval: Interval
    p_holm: float | None
    sources: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """See the module."""
        found = verdict(self.interval.low, self.interval.high, self.seen.margin or 0.0)
        significant = self.p_holm is not None and self.p_holm < LEVEL
        return found if found is Verdict.EQUIVALENT or significant else Verdict.UNDECIDED

    @property
    def kept(self) -> bool:
        """Whether no loss beyond the margin is left open."""
        return self.interval.low is not None and self.interval.low > -(self.seen.margin or 0.0)

    @property
    def words(self) -> str:
        p = "" if self.p_holm is None else f", p Holm {p_value(self.p_holm)}"
        return f"{self.seen.grid.name}: {with_bounds(self.interval, '+')} points{p}, {self.verdict}"


def effect(context: Context, rule: Effect) -> Finding:
    """The main effect of a factor in every fractional or full factorial design that has completed runs."""
    said = [
        found
        for seen in context.views
        for design in (seen.grid.plan.designs if seen.grid.plan else ())
        if design.kind in FACTORIALS and rule.factor in design.factors
        for found in _main_effect(seen, design, rule.factor)
    ]
    if not said:
        return untestable("no completed runs of a factorial or fractional design with this factor")
    return _ruled(said, rule.claimed)


def _main_effect(seen: View, design: Design, factor: str) -> list[Said]:
    """Of order 2, as the table of effects has it; nothing where the runs do not determine it."""
    effects = factorial_effects(seen.cells, design.levels, design.factors, order=2)
    own = next(one for one in effects if factor in one.term and len(one.term) == 1)
    if own.estimate is None:
        return []
    interval = Interval(own.estimate, own.low, own.high, own.n)
    return [Said(seen, interval, own.p_holm, seen.sources(*design.levels))]


def beats_control(context: Context, rule: BeatsControl) -> Finding:
    """An arm less its control, paired by seed, in every grid that has runs of both with a seed in common."""
    found = []
    for seen in context.views:
        both = (_arm(seen, rule), rule.control)
        ours, theirs = (seen.by_seed(arm, seen.metric) for arm in both)
        interval = paired_difference(ours, theirs)
        if interval is not None:
            differences = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
            found.append((seen, interval, p_of_mean(differences), seen.sources(*both)))
    if not found:
        return untestable(f"no grid has completed runs of both {rule.arm} and {rule.control}")
    adjusted = holm([p for _, _, p, _ in found])
    said = [Said(seen, gap, p, sources) for (seen, gap, _, sources), p in zip(found, adjusted, strict=True)]
    return _ruled(said, rule.claimed)


def _arm(seen: View, rule: BeatsControl) -> str:
    """The arm's name in a grid, where designed arms are named by their factors."""
    designs = seen.grid.plan.designs if seen.grid.plan else ()
    designed = [
        arm
        for design in designs
        if design.base == rule.control
        for arm, on in design.levels.items()
        if rule.factors and set(on) == set(rule.factors)
    ]
    return rule.arm if rule.arm in seen.arms else next(iter(designed), rule.arm)


def _ruled(said: Sequence[Said], claimed: Claimed) -> Finding:
    sources = once(source for one in said for source in one.sources)
    return Finding(ruling(said, claimed), listed(one.words for one in said), _why(said, claimed), sources)


def ruling(said: Sequence[Said], claimed: Claimed) -> Ruling:
    """See the module. Needs at least one grid."""
    verdicts = {one.verdict for one in said}
    confirmed = all(one.kept for one in said) if claimed == "maintained" else verdicts == {Verdict.BETTER}
    refuting = {Verdict.WORSE} if claimed == "maintained" else {Verdict.WORSE, Verdict.EQUIVALENT}
    if confirmed:
        return Ruling.CONFIRMED
    return Ruling.REFUTED if verdicts <= refuting else Ruling.NOT_CONFIRMED


def _why(said: Sequence[Said], claimed: Claimed) -> str:
    if claimed == "maintained":
        kept = sum(one.kept for one in said)
        counted = f"no loss beyond the margin in {kept} of {_grids(len(said))}"
    else:
        counted = ", ".join(f"{word} in {n}" for word in Verdict if (n := sum(one.verdict is word for one in said)))
        counted += f" of {_grids(len(said))}"
    margins = sorted({"none" if one.seen.margin is None else f"±{percent(one.seen.margin)}" for one in said})
    return f"{counted}; margin {', '.join(margins)} points" if margins != ["none"] else f"{counted}; no margin planned"


def _grids(n: int) -> str:
    return "1 grid" if n == 1 else f"{n} grids"
