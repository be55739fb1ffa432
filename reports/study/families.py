"""Which arms are held against which: every difference in one family, whose tests are corrected together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from swarmformer.records import Design, Plan

from ..statistics.contrast import Estimate, difference
from ..statistics.interval import within
from ..statistics.looks import Looks, allowing_for
from ..statistics.mcnemar import mcnemar
from ..statistics.power import detectable_range
from ..statistics.verdict import Verdict, holm, judge
from ..words import in_points, plural
from .contrasts import Contrast, Family, Kind
from .model import GridStudy
from .predictions import Correct
from .subjects import Arm, Sources

ONE_FACTOR = {"one_in": "one in", "one_out": "one out"}
EXERCISED: Mapping[str, Sequence[str]] = {}
"""Nothing is known not to be."""


@dataclass(frozen=True)
class Planned:
    """A family before anything was measured. ``arms``: arm → what it is told by, a factor or nothing."""

    name: str
    base: str
    arms: Mapping[str, str]


def families(
    arms: Sequence[Arm], plan: Plan | None, base: str | None, margin: float | None, correct: Correct, looks: Looks = ()
) -> tuple[Family, ...]:
    """Every difference that the plan asks for, and of every arm from the grid's base: one-in and one-out designs;
    then, against that base, arms of no design (placebos, controls), other models than the base's (peers), and the arms
    of designs that are not held against it there. None of them twice."""
    designs = plan.designs if plan else ()
    wanted = [_of_design(design) for design in designs if design.kind in ONE_FACTOR]
    if base is not None:
        in_design = {arm for design in designs for arm in (design.base, *design.levels)}
        model = next((arm.model for arm in arms if arm.name == base), "")
        alone = [arm for arm in arms if arm.name not in in_design]
        peers = {arm.name: "" for arm in alone if arm.model and model and arm.model != model}
        controls = [arm.name for arm in alone if arm.name not in peers]
        wanted += [
            Planned("placebos and controls" if designs else "arms", base, dict.fromkeys(controls, "")),
            Planned("peers", base, peers),
            Planned("arms", base, {arm.name: "" for arm in arms if arm.name in in_design}),
        ]
    by_name = {arm.name: arm for arm in arms}
    return tuple(_family(family, by_name, margin, correct, looks) for family in _once(wanted))


def _of_design(design: Design) -> Planned:
    usual = () if design.kind == "one_in" else design.factors
    at_base = set(design.levels.get(design.base, usual))
    changed = {arm: " + ".join(sorted(at_base ^ set(on))) for arm, on in design.levels.items()}
    return Planned(ONE_FACTOR[design.kind], design.base, changed)


def _once(wanted: Sequence[Planned]) -> Iterator[Planned]:
    """Each pair in the first family that has it; names that recur are numbered."""
    taken, names = set[tuple[str, str]](), dict[str, int]()
    for family in wanted:
        arms = {arm: words for arm, words in family.arms.items()
                if arm != family.base and (arm, family.base) not in taken}  # fmt: skip
        if arms:
            taken |= {(arm, family.base) for arm in arms}
            names[family.name] = count = names.get(family.name, 0) + 1
            yield Planned(family.name if count == 1 else f"{family.name} ({count})", family.base, arms)


def _family(
    planned: Planned, arms: Mapping[str, Arm], margin: float | None, correct: Correct, looks: Looks
) -> Family:
    values, base = {name: arm.values for name, arm in arms.items()}, planned.base
    estimates = [counted(difference(values, arm, base), looks) for arm in planned.arms]
    contrasts = []
    for arm, estimate in zip(planned.arms, estimates, strict=True):
        both = [arms[name] for name in (arm, base) if name in arms]
        sources = tuple(source for each in both for source in each.sources_of(estimate.by_seed))
        on_examples = mcnemar(correct.get(arm, {}), correct.get(base, {}))
        contrasts.append(replace(undecided("difference", arm, estimate, sources), against=base, p_mcnemar=on_examples))
    made = decided(planned.name, contrasts, margin, _idle(planned, arms))
    return Family(planned.name, base, made, planned.arms, _power(planned, estimates))


def _idle(planned: Planned, arms: Mapping[str, Arm]) -> dict[str, tuple[str, ...]]:
    """Arm → what of the mechanism that tells it from its base was not exercised; of one out, of what was taken out."""
    if planned.base not in arms:
        return {}
    base, taken_out = arms[planned.base].exercised, planned.name.startswith(ONE_FACTOR["one_out"])
    several = not planned.name.startswith(tuple(ONE_FACTOR.values()))
    mine = {name: arms[name].exercised for name in planned.arms if name in arms}
    return {name: base.idle_against(arm) if taken_out else arm.idle_against(base, several=several)
            for name, arm in mine.items()}  # fmt: skip


def counted(estimate: Estimate, looks: Looks) -> Estimate:
    """Of shares, which differ by no more than one; p and interval allow for looks at some of its seeds."""
    allowed = allowing_for(estimate, looks)
    return replace(allowed, interval=within(allowed.interval, -1, 1))


def undecided(
    kind: Kind, name: str, estimate: Estimate, sources: Sources, aliases: Sources = (), terms: Sequence[str] = ()
) -> Contrast:
    """A comparison of no family yet, and so without a verdict."""
    return Contrast(
        kind, name, against="", family="", interval=estimate.interval, p=estimate.p, p_holm=None, verdict=None,
        reason="", n=len(estimate.by_seed), sources=sources, aliases=aliases, terms=tuple(terms),
        error=estimate.error,
    )  # fmt: skip


def decided(
    family: str, contrasts: Sequence[Contrast], margin: float | None, idle: Mapping[str, Sequence[str]] = EXERCISED
) -> tuple[Contrast, ...]:
    """The same as one family: each with its p after Holm's correction, and its verdict.

    idle: name → what of its mechanism was not exercised.
    """
    made, tests = [], sum(contrast.p is not None for contrast in contrasts)
    for contrast, p_holm in zip(contrasts, holm([contrast.p for contrast in contrasts]), strict=True):
        verdict, reason = judge(
            contrast.interval, p_holm, margin, is_interaction=contrast.kind == "interaction", aliases=contrast.aliases,
            idle=idle.get(contrast.name, ()), is_alone=tests == 1,
        )  # fmt: skip
        made.append(replace(contrast, family=family, p_holm=p_holm, verdict=verdict, reason=reason, tests=tests))
    return tuple(made)


def _power(planned: Planned, estimates: Sequence[Estimate]) -> str:
    found = found_by(estimates)
    one_seed = f"no arm has more than one seed in common with {planned.base}; without two, nothing is found"
    return f"Power ({planned.name}): {found or one_seed}."


def found_by(estimates: Sequence[Estimate]) -> str:
    """What a family of contrasts can find; empty where none has two seeds."""
    found = detectable_range(estimates)
    if found is None:
        return ""
    tested = [len(each.by_seed) for each in estimates if each.error is not None]
    few, many, every = min(tested), max(tested), len(tested)
    seeds = plural(many, "seed") if few == many else f"{few} to {plural(many, 'seed')}"
    of = f", after Holm's correction over {every}, each by its own spread" if every > 1 else ""
    return f"with {seeds} a true difference of {in_points(found)} points is found with 80 % power{of}"


def versus(grid: GridStudy, arm: str, control: str) -> Contrast:
    """An arm against any other: the comparison that the grid's families have, whichever of the two is its base there,
    else one that is a family of its own."""
    known = grid.contrast("difference", arm, control)
    if known is not None:
        return known
    turned = grid.contrast("difference", control, arm)
    if turned is not None:
        return _turned(turned)
    planned = Planned(f"{arm} against {control}", control, {arm: ""})
    (contrast,) = _family(planned, {each.name: each for each in grid.arms}, grid.margin, {}, grid.looks).contrasts
    return contrast


TURNED = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}


def _turned(contrast: Contrast) -> Contrast:
    """The same comparison, told of its base."""
    verdict = contrast.verdict and TURNED.get(contrast.verdict, contrast.verdict)
    interval = contrast.interval and contrast.interval.negated
    return replace(contrast, name=contrast.against, against=contrast.name, interval=interval, verdict=verdict)
