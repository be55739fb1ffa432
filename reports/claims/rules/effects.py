"""Claims about accuracy: a factor's main effect in every factorial design, and an arm against its control.

The study decides what a grid says. A claim that something is better is confirmed where it is better in every grid and
refuted where it is worse or equivalent in every grid; a claim that accuracy is kept is confirmed where it is better or
equivalent in every grid and refuted where it is worse in every grid. What is undecided, or depends on another factor,
confirms and refutes nothing; nor does a grid whose plan was not registered before its runs, or not kept to, as the
study gives it no verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...published import Claim, Published
from ...statistics.verdict import Verdict
from ...study.contrasts import Contrast
from ...study.families import versus
from ...study.model import GridStudy, Study
from ...words import in_points, p_value, percent, plural, with_bounds
from ..judgement import Finding, joined, once, ruling, untestable
from ..measurements import Measurements
from ..rule import Rule, register
from ..settling import Claimed, InGrid, holds, settling

WORDS = 12
"""Of the short text of a claim."""


@register("effect")
class Effect(Rule):
    """The main effect of a factor in every factorial or fractional design that was run.

    also: other factors that make the same claim, as one whose mechanism is let act.
    """

    factor: str
    also: tuple[str, ...] = ()
    claimed: Claimed = "better"

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        effects = [
            (grid, contrast)
            for grid in study.grids
            for design in grid.effects
            for contrast in design.main.contrasts
            if contrast.terms[0] in (self.factor, *self.also) and contrast.interval is not None
        ]
        absent = "no completed runs of a factorial or fractional design with this factor"
        wanted = f"a registered factorial or fractional grid with the factor {self.factor}"
        return judged(effects, self.claimed) if effects else untestable(absent, wanted)


@register("versus")
class Versus(Rule):
    """An arm against its control, paired by seed, in every grid that has both.

    factors: in a grid without that arm, the arm of a design that has just these on is held against that design's own
    base, the arm that has none. around: the same two around another base, each time an arm and its control. instead:
    factor → another one that may stand in its place, as one whose mechanism is let act; so may the arm with one factor
    taken out for the other, ``enhanced-routing+routing_released``.
    """

    arm: str
    control: str
    factors: tuple[str, ...] = ()
    around: tuple[tuple[str, str], ...] = ()
    instead: dict[str, str] = {}
    claimed: Claimed = "better"

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        pairs = [(grid, pair) for grid in study.grids for pair in self._of(grid)]
        absent = f"no grid has completed runs of both {self.arm} and {self.control} with a seed in common"
        wanted = f"a registered grid with the arms {self.arm} and {self.control} and two seeds or more of both"
        return judged(pairs, self.claimed) if pairs else untestable(absent, wanted)

    def _of(self, grid: GridStudy) -> list[Contrast]:
        names = (self.arm, *(f"{self.arm}-{factor}+{other}" for factor, other in self.instead.items()))
        pairs = [(name, self.control) for name in names if grid.arm(name)] or self._designed(grid)
        pairs += self.around
        both = [(grid.arm(arm), grid.arm(control)) for arm, control in pairs]
        return [versus(grid, arm.name, control.name) for arm, control in both
                if arm and control and set(arm.seeds) & set(control.seeds)]  # fmt: skip

    def _designed(self, grid: GridStudy) -> list[tuple[str, str]]:
        """The arm with all factors and the one with none, of each design that has both; named by their factors."""
        wanted, found = {self._usual(factor) for factor in self.factors}, list[tuple[str, str]]()
        for design in grid.effects if wanted else ():
            on = {arm: {self._usual(factor) for factor in factors} for arm, factors in design.levels.items()}
            every, none = ([arm for arm, factors in on.items() if factors == what] for what in (wanted, set[str]()))
            found += zip(every[:1], none[:1], strict=False)
        return found

    def _usual(self, factor: str) -> str:
        """The name by which it is told, of those that may stand for one another."""
        return next((usual for usual, other in self.instead.items() if other == factor), factor)


def judged(comparisons: Sequence[InGrid], claimed: Claimed) -> Finding:
    """See the module. Needs at least one comparison."""
    verdict = ruling(holds(contrast.verdict, claimed) for _, contrast in comparisons)
    figures = joined(f"{_place(grid, contrast, comparisons)}: {_figures(contrast)}" for grid, contrast in comparisons)
    sources = once(source for _, contrast in comparisons for source in contrast.sources)
    return Finding(verdict, _short(comparisons), figures, _why(comparisons), sources, settling(comparisons, claimed))


def _figures(contrast: Contrast) -> str:
    """An effect with its verdict and what that rests on, then the simple effects of one that depends."""
    against = f"against {contrast.against}" if contrast.against else ""
    size = "" if contrast.interval is None else f"{with_bounds(contrast.interval, '+')} points"
    corrected = " Holm" if contrast.tests > 1 else ""
    p = "" if contrast.p_holm is None else f"p{corrected} {p_value(contrast.p_holm)}"
    reason = "" if contrast.kind == "simple" else contrast.reason
    parts = [size, against, p, _word(contrast), reason, _found(contrast)]
    simple = [f"{each.name} {_figures(each)}" for each in contrast.simple]
    return ", ".join(part for part in parts if part) + (f" ({'; '.join(simple)})" if simple else "")


def _found(contrast: Contrast) -> str:
    """Of what shows no difference: the smallest one that it would have found."""
    is_null, found = contrast.verdict in (Verdict.UNDECIDED, Verdict.EQUIVALENT), contrast.detectable
    return f"smallest found {in_points((found, found))}" if is_null and found is not None else ""


def _place(grid: GridStudy, contrast: Contrast, comparisons: Sequence[InGrid]) -> str:
    """The grid, and the factor where not all are of one."""
    same = len({each.name for _, each in comparisons if each.kind == "main"}) < 2
    return grid.name if same else f"{grid.name}, {contrast.name}"


def _short(comparisons: Sequence[InGrid]) -> str:
    """``better: fraction_digits; undecided: factorial_imdb``; how many grids where their names are too many."""
    named: dict[str, list[str]] = {}
    for grid, contrast in comparisons:
        named.setdefault(_word(contrast), []).append(_place(grid, contrast, comparisons))
    text = "; ".join(f"{word}: {', '.join(grids)}" for word, grids in named.items())
    return text if len(text.split()) <= WORDS else _counted(comparisons)


def _counted(comparisons: Sequence[InGrid]) -> str:
    counts = Counter(_word(contrast) for _, contrast in comparisons)
    return f"{', '.join(f'{word} in {n}' for word, n in counts.items())} of {plural(len(comparisons), 'grid')}"


def _word(contrast: Contrast) -> str:
    """The study's verdict, or that there is none."""
    return str(contrast.verdict or "no verdict")


def _why(comparisons: Sequence[InGrid]) -> str:
    margins = sorted({grid.margin for grid, _ in comparisons if grid.margin is not None})
    registered = ", ".join(f"±{percent(margin)}" for margin in margins)
    margin = f"margin {registered} points" if registered else "no margin was registered"
    unregistered = {grid.name: why for grid, _ in comparisons if (why := grid.followed.unregistered)}
    decides_nothing = (f"{name} decides nothing: {reason}" for name, reason in unregistered.items())
    return joined([_counted(comparisons), margin, *decides_nothing])
