"""Which arms are held against which: every difference in one family, whose tests are corrected together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from swarmformer.records import Design, Plan

from ..statistics.contrast import Estimate, difference, pooled_spread
from ..statistics.interval import within
from ..statistics.multiple import holm
from ..statistics.power import detectable_difference
from ..statistics.verdict import judge
from ..words import percent, plural
from .model import Arm, Contrast, Family, GridStudy
from .predictions import Correct, p_of_examples

ONE_FACTOR = {"one_in": "one in", "one_out": "one out"}
Pair = tuple[str, str]
"""An arm and what it is held against."""


@dataclass(frozen=True)
class Planned:
    """A family before anything was measured. ``arms``: arm → what it is told by, a factor or nothing."""

    name: str
    base: str
    arms: Mapping[str, str]


def families(
    arms: Sequence[Arm], plan: Plan | None, base: str | None, margin: float | None, correct: Correct
) -> tuple[Family, ...]:
    """Every difference that the plan asks for, and of every arm from the grid's base."""
    by_name = {arm.name: arm for arm in arms}
    return tuple(_family(family, by_name, margin, correct) for family in planned_families(arms, plan, base))


def planned_families(arms: Sequence[Arm], plan: Plan | None, base: str | None) -> list[Planned]:
    """One-in and one-out designs; then, against the grid's base: arms of no design (placebos, controls), other models
    than the base's (peers), and the arms of designs that are not held against it there. None of them twice."""
    designs = plan.designs if plan else ()
    wanted = [_of_design(design) for design in designs if design.kind in ONE_FACTOR]
    if base is not None:
        in_design = {arm for design in designs for arm in (design.base, *design.levels)}
        model = next((arm.model for arm in arms if arm.name == base), "")
        alone = [arm for arm in arms if arm.name not in in_design]
        peers = [arm.name for arm in alone if arm.model and model and arm.model != model]
        controls = [arm.name for arm in alone if arm.name not in peers]
        wanted += [
            Planned("placebos and controls" if designs else "arms", base, dict.fromkeys(controls, "")),
            Planned("peers", base, dict.fromkeys(peers, "")),
            Planned("arms", base, {arm.name: "" for arm in arms if arm.name in in_design}),
        ]
    return list(_once(wanted))


def _of_design(design: Design) -> Planned:
    usual = () if design.kind == "one_in" else design.factors
    at_base = set(design.levels.get(design.base, usual))
    changed = {arm: " + ".join(sorted(at_base ^ set(on))) for arm, on in design.levels.items()}
    return Planned(ONE_FACTOR[design.kind], design.base, changed)


def _once(wanted: Sequence[Planned]) -> Iterator[Planned]:
    """Each pair in the first family that has it; names that recur are numbered."""
    taken, names = set[Pair](), dict[str, int]()
    for family in wanted:
        arms = {arm: words for arm, words in family.arms.items() if arm != family.base}
        arms = {arm: words for arm, words in arms.items() if (arm, family.base) not in taken}
        if arms:
            taken |= {(arm, family.base) for arm in arms}
            names[family.name] = count = names.get(family.name, 0) + 1
            yield Planned(family.name if count == 1 else f"{family.name} ({count})", family.base, arms)


def _family(planned: Planned, arms: Mapping[str, Arm], margin: float | None, correct: Correct) -> Family:
    values = {name: arm.values for name, arm in arms.items()}
    estimates = {arm: possible(difference(values, arm, planned.base)) for arm in planned.arms}
    adjusted = holm([estimate.p for estimate in estimates.values()])
    contrasts = tuple(
        _difference(planned, arm, estimate, p_holm, margin, arms, correct)
        for (arm, estimate), p_holm in zip(estimates.items(), adjusted, strict=True)
    )
    return Family(planned.name, planned.base, contrasts, planned.arms, _power(planned, list(estimates.values())))


def _difference(
    planned: Planned, arm: str, estimate: Estimate, p_holm: float | None, margin: float | None,
    arms: Mapping[str, Arm], correct: Correct,
) -> Contrast:  # fmt: skip
    verdict, reason = judge(estimate.interval, p_holm, margin)
    both = [arms[name] for name in (arm, planned.base) if name in arms]
    return Contrast(
        kind="difference", name=arm, against=planned.base, family=planned.name, interval=estimate.interval,
        p=estimate.p, p_holm=p_holm, verdict=verdict, reason=reason, n=len(estimate.by_seed),
        sources=tuple(source for each in both for source in each.sources_of(estimate.by_seed)),
        p_mcnemar=p_of_examples(correct, arm, planned.base),
    )  # fmt: skip


def possible(estimate: Estimate) -> Estimate:
    """Of shares, which differ by no more than one."""
    return replace(estimate, interval=within(estimate.interval, -1, 1))


def _power(planned: Planned, estimates: Sequence[Estimate]) -> str:
    spread = pooled_spread(estimates)
    pairs = [len(estimate.by_seed) for estimate in estimates if len(estimate.by_seed) > 1]
    if spread is None:
        return f"Power ({planned.name}): not known, as no arm has two seeds in common with {planned.base}."
    return (
        f"Power ({planned.name}): paired differences spread by {percent(spread)} points (standard deviation, pooled "
        f"over {plural(len(pairs), 'arm')}); {found_with(spread, min(pairs))}."
    )


def found_with(spread: float, seeds: int) -> str:
    """What a contrast with this spread over seeds can find."""
    least = detectable_difference(spread, seeds)
    assert least is not None  # of two seeds and more there is one
    return (
        f"with {plural(seeds, 'seed')} a true difference of {percent(least)} points is found with 80 % power "
        "(one comparison, not corrected)"
    )


def versus(grid: GridStudy, arm: str, control: str) -> Contrast:
    """An arm against any other: the comparison that the grid's families have, else one that is a family of its own."""
    known = grid.contrast("difference", arm, control)
    if known is not None:
        return known
    arms = {each.name: each for each in grid.arms}
    (contrast,) = _family(Planned(f"{arm} against {control}", control, {arm: ""}), arms, grid.margin, {}).contrasts
    return contrast
