"""What would change the verdict on a claim about accuracy, worked out from what each grid says today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from ..statistics.power import needed_seeds
from ..statistics.verdict import Verdict
from ..study.contrasts import Contrast
from ..study.model import GridStudy
from ..words import percent, plural
from .judgement import joined

Claimed = Literal["better", "maintained"]
HOLDS: Mapping[Claimed, tuple[Verdict, ...]] = {
    "better": (Verdict.BETTER,), "maintained": (Verdict.BETTER, Verdict.EQUIVALENT),
}  # fmt: skip
FAILS: Mapping[Claimed, tuple[Verdict, ...]] = {
    "better": (Verdict.WORSE, Verdict.EQUIVALENT), "maintained": (Verdict.WORSE,),
}  # fmt: skip
InGrid = tuple[GridStudy, Contrast]
"""A comparison after the grid that it is of."""


def holds(verdict: Verdict | None, claimed: Claimed) -> bool | None:
    """Whether a grid's verdict speaks for the claim, or against it; None: it leaves it open."""
    if verdict in HOLDS[claimed]:
        return True
    return False if verdict in FAILS[claimed] else None


def settling(comparisons: Sequence[InGrid], claimed: Claimed) -> str:
    """A sentence without its full stop. Needs at least one comparison."""
    known = {holds(contrast.verdict, claimed) for _, contrast in comparisons}
    pro, con = " or ".join(HOLDS[claimed]), " or ".join(FAILS[claimed])
    if {True, False} <= known:
        return f"no further grid, as it is {pro} in some and {con} in others: only a claim that says where"
    if known == {True}:
        return f"a further registered grid in which it is not {pro}"
    if known == {False}:
        return f"a further registered grid in which it is not {con}"
    goals = {True: f"confirmed, were it {pro} in all the others too",
             False: f"refuted, were it {con} in all the others too"}  # fmt: skip
    goal = next((goals[way] for way in (True, False) if way in known),
                f"confirmed, were it {pro} in every grid; refuted, were it {con} in every one")  # fmt: skip
    return joined([goal, *_needs(comparisons, claimed)])


def _needs(comparisons: Sequence[InGrid], claimed: Claimed) -> Iterator[str]:
    """What each grid that leaves the claim open would need to decide, grids of one need together."""
    needs = dict[str, list[str]]()
    for grid, contrast in comparisons:
        if holds(contrast.verdict, claimed) is None:
            needs.setdefault(_need(grid, contrast), []).append(grid.name)
    yield from (f"{', '.join(names)}: {need}" for need, names in needs.items())


def _need(grid: GridStudy, contrast: Contrast) -> str:
    if contrast.interval is None:
        return "runs of both with the same seeds"
    if contrast.verdict is None:
        return "a margin that is registered before the runs, and kept"
    if contrast.verdict is Verdict.DEPENDS:
        return "it depends on other factors, so that the claim would have to say with or without which"
    if contrast.verdict is Verdict.NOT_EXERCISED:
        return "runs in which the mechanism acts"
    if contrast.error is None or grid.margin is None:
        return "two seeds or more that differ"
    wanted = needed_seeds(contrast.error, contrast.n, contrast.tests, grid.margin)
    seeds = "more than a thousand seeds" if wanted is None else f"about {plural(wanted, 'seed')}"
    if wanted is not None and wanted <= contrast.n:
        return f"further seeds; its {plural(contrast.n, 'seed')} would find a difference of the margin"
    return f"{seeds} in place of {contrast.n}, to find a difference of the margin, {percent(grid.margin)} points"
