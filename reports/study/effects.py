"""Factorial designs of a plan with their effects, decided once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from swarmformer import records

from ..statistics.contrast import Estimate, Values, contrast
from ..statistics.factorial import Effect, Term, alias_groups, factorial_effects, simple_effect
from ..statistics.far_out import OverOthers, far_out
from ..statistics.interval import Interval
from ..statistics.looks import Looks
from ..statistics.power import detectable_range
from ..statistics.verdict import is_interaction_there, is_significant, judge
from ..words import MINUS, plural
from .contrasts import Contrast, Design, Family, Kind
from .exercise import idle_factor
from .families import counted, decided, found_by, undecided
from .subjects import Arm, Sources

Depends = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Factor → the factors that it interacts with → what the design cannot tell from that interaction."""


@dataclass(frozen=True)
class DecidedEffect:
    """``idle``: what of its mechanism, or of both, was not exercised."""

    effect: Effect
    contrast: Contrast
    idle: Sources

    @property
    def factor(self) -> str:
        """Of a main effect."""
        return self.effect.term[0]


@dataclass(frozen=True)
class MeasuredDesign:
    """A design and its arms. suffix: tells the designs of one grid apart."""

    design: records.Design
    arms: Sequence[Arm]
    margin: float | None
    suffix: str
    idle: Mapping[str, tuple[str, ...]]
    """Factor → what of its mechanism no arm with it exercised."""
    looks: Looks = ()

    @cached_property
    def values(self) -> Values:
        return {arm.name: arm.values for arm in self.arms}

    @cached_property
    def far_out(self) -> tuple[str, ...]:
        means = {arm.name: arm.value.mean for arm in self.arms if arm.value is not None}
        return far_out(means, min((int(n) for arm in self.arms for n in arm.column("test_examples")), default=0))

    @cached_property
    def others(self) -> OverOthers:
        terms = [next(iter(group)) for group in alias_groups(self.design.levels, self.design.factors)]
        return OverOthers(self.design.levels, terms, self.far_out)

    def over_others(self, weights: Mapping[str, float]) -> Interval | None:
        """Of weights that ``others`` gives; nothing where no arm is far out."""
        return counted(contrast(self.values, weights), self.looks).interval if self.far_out else None

    def sources(self, estimate: Estimate) -> Sources:
        """The runs of the seeds that the estimate is of; of all arms, as every p is corrected over effects of all."""
        return tuple(source for arm in self.arms for source in arm.sources_of(estimate.by_seed))

    def contrast(self, effect: Effect) -> Contrast:
        aliases = tuple((MINUS if sign < 0 else "") + named(alias) for alias, sign in effect.aliases.items())
        kind: Kind = "main" if len(effect.term) == 1 else "interaction"
        sources = self.sources(effect.estimate)
        found = undecided(kind, named(effect.term) + self.suffix, effect.estimate, sources, aliases, effect.term)
        return replace(found, over_others=self.over_others(self.others.weights(effect.term)))

    def simple(self, factor: str, other: str, aliases: Sources, *, is_on: bool) -> Contrast:
        """The effect of a factor without another or with it."""
        estimate = simple_effect(self.values, self.design.levels, factor, other, is_on=is_on)
        name = f"{factor} {'with' if is_on else 'without'} {other}{self.suffix}"
        found = undecided("simple", name, counted(estimate, self.looks), self.sources(estimate), aliases)
        return replace(found, over_others=self.over_others(self.others.simple_weights(factor, other, is_on=is_on)))

    def decided(self, family: str, contrasts: Sequence[Contrast], idle: Iterable[Sources]) -> tuple[Contrast, ...]:
        """idle: of each, what was not exercised."""
        named = {contrast.name: words for contrast, words in zip(contrasts, idle, strict=True)}
        return decided(family + self.suffix, contrasts, self.margin, named)

    @cached_property
    def effects(self) -> list[Effect]:
        found = factorial_effects(self.values, self.design.levels, self.design.factors)
        return [replace(effect, estimate=counted(effect.estimate, self.looks)) for effect in found]

    def decided_of(self, size: int, family: str) -> list[DecidedEffect]:
        """The effects of so many factors, as one family."""
        effects = [effect for effect in self.effects if len(effect.term) == size]
        idle = [self.idle[effect.term[0]] if size == 1 else self.idle_pair(effect) for effect in effects]
        contrasts = self.decided(family, [self.contrast(effect) for effect in effects], idle)
        return [DecidedEffect(*each) for each in zip(effects, contrasts, idle, strict=True)]

    def is_there(self, pair: DecidedEffect) -> bool:
        """Whether an interaction is, whose mechanisms acted."""
        interval, p_holm = pair.contrast.interval, pair.contrast.p_holm
        return not pair.idle and is_interaction_there(interval, p_holm, self.margin)

    def idle_pair(self, effect: Effect) -> Sources:
        """Of an interaction: what was not exercised, if that is so of each that the design cannot tell from it."""
        terms = [[words for factor in term for words in self.idle[factor]] for term in (effect.term, *effect.aliases)]
        return tuple(dict.fromkeys(terms[0])) if all(terms) else ()


def designs(
    arms: Sequence[Arm], plan: records.Plan | None, margin: float | None, looks: Looks = ()
) -> tuple[Design, ...]:
    """The factorial and fractional designs of a plan, in its order."""
    made = list[Design]()
    for design in (design for design in (plan.designs if plan else ()) if design.kind in records.FACTORIALS):
        mine = {arm.name: arm for arm in arms if arm.name in design.levels}
        suffix = f" ({len(made) + 1})" if made else ""
        idle = {factor: idle_factor(factor, [arm.exercised for name, arm in mine.items()
                                             if factor in design.levels[name]]) for factor in design.factors}
        made.append(_design(MeasuredDesign(design, tuple(mine.values()), margin, suffix, idle, looks)))
    return tuple(made)


def _design(measured: MeasuredDesign) -> Design:
    design = measured.design
    mains, pairs = measured.decided_of(1, "main effects"), measured.decided_of(2, "interactions")
    strong = {each.factor for each in mains if is_significant(each.contrast.p_holm)}
    depends = _depends([each.effect for each in pairs if measured.is_there(each)], strong)
    simple = _simple_effects(measured, depends)
    main = tuple(
        _dependent(each, depends[each.factor], simple[each.factor], measured.margin) if each.factor in depends
        else each.contrast for each in mains
    )  # fmt: skip
    of_mains = [each.effect.estimate for each in mains]
    seeds = max((len(each.effect.estimate.by_seed) for each in (*mains, *pairs)), default=0)
    found = found_by(of_mains) or f"{plural(seeds, 'seed')} with every arm: no interval and no power without two"
    interactions = tuple(each.contrast for each in pairs)
    return Design(
        kind=design.kind, factors=design.factors, levels=design.levels, generators=design.generators,
        resolution=design.resolution, main=Family(f"main effects{measured.suffix}", None, main),
        interactions=Family(f"interactions{measured.suffix}", None, interactions), seeds=seeds,
        power=f"{found[:1].upper()}{found[1:]}.", detectable=detectable_range(of_mains),
        far_out=measured.far_out,
    )  # fmt: skip


def _depends(there: Sequence[Effect], strong: set[str]) -> Depends:
    """What depends on what, of the interactions that are ``there``; ``strong``: factors with a significant main effect.

    Where a design cannot tell several apart, those are taken whose factors have the most significant main effects, as
    interactions seldom come without them (effect heredity); the others are named as aliases.

    Source: M. Hamada and C. F. J. Wu, "Analysis of designed experiments with complex aliasing", 1992.
    """
    depends = dict[str, dict[str, tuple[str, ...]]]()
    for pair in there:
        terms = (pair.term, *pair.aliases)
        most = max(len(strong & set(term)) for term in terms)
        for term in (term for term in terms if len(strong & set(term)) == most):
            aliases = tuple(named(other) for other in terms if other != term)
            for factor, partner in (term, term[::-1]):
                depends.setdefault(factor, {})[partner] = aliases
    return depends


def _simple_effects(measured: MeasuredDesign, depends: Depends) -> dict[str, tuple[Contrast, ...]]:
    """Factor → its effect without and with each factor that it interacts with; all of them one family."""
    factors, contrasts = [], []
    for factor, partners in depends.items():
        for partner, aliases in partners.items():
            for is_on in (False, True):
                factors.append(factor)
                contrasts.append(measured.simple(factor, partner, aliases, is_on=is_on))
    idle = [measured.idle[factor] for factor in factors]
    made = list(zip(factors, measured.decided("simple effects", contrasts, idle), strict=True))
    return {factor: tuple(contrast for name, contrast in made if name == factor) for factor in depends}


def _dependent(
    main: DecidedEffect, partners: Mapping[str, tuple[str, ...]], simple: tuple[Contrast, ...], margin: float | None
) -> Contrast:
    """A main effect whose factor interacts with ``partners``."""
    told = main.contrast
    aliases = (*told.aliases, *(alias for aliases in partners.values() for alias in aliases))
    verdict, reason = judge(
        told.interval, told.p_holm, margin, interacts_with=list(partners), aliases=aliases, idle=main.idle
    )
    return replace(told, verdict=verdict, reason=reason, simple=simple)


def named(term: Term) -> str:
    """``windowed × gumbel``"""
    return " × ".join(term)
