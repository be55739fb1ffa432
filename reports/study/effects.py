"""Factorial designs of a plan with their effects, decided once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from swarmformer import records

from ..statistics.contrast import Estimate, Values, pooled_spread
from ..statistics.factorial import Effect, factorial_effects, simple_effect
from ..statistics.multiple import holm
from ..statistics.terms import Term
from ..statistics.verdict import Verdict, is_interaction_there, is_significant, judge
from ..words import MINUS, percent, plural
from .families import found_with, possible
from .model import Arm, Contrast, Design, Family, Kind


@dataclass(frozen=True)
class Partner:
    """A factor that another interacts with, and the interactions that the design cannot tell from that one."""

    factor: str
    aliases: tuple[str, ...]


Depends = Mapping[str, Sequence[Partner]]


@dataclass(frozen=True)
class Tested:
    """An effect with p after Holm's correction over its family."""

    effect: Effect
    p_holm: float | None

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(named(alias, is_negated=alias in self.effect.negated) for alias in self.effect.aliases)


@dataclass(frozen=True)
class Measured:
    """A design and what its arms reached. suffix: tells the designs of one grid apart."""

    design: records.Design
    values: Values
    margin: float | None
    sources: tuple[str, ...]
    suffix: str

    def effects(self) -> list[Effect]:
        effects = factorial_effects(self.values, self.design.levels, self.design.factors)
        return [replace(effect, estimate=possible(effect.estimate)) for effect in effects]

    def contrast(
        self, kind: Kind, name: str, family: str, estimate: Estimate, p_holm: float | None,
        decided: tuple[Verdict | None, str], aliases: tuple[str, ...] = (), simple: tuple[Contrast, ...] = (),
    ) -> Contrast:  # fmt: skip
        verdict, reason = decided
        return Contrast(
            kind, name + self.suffix, "", family + self.suffix, estimate.interval, estimate.p, p_holm, verdict, reason,
            len(estimate.by_seed), self.sources, aliases, simple,
        )  # fmt: skip


def designs(arms: Sequence[Arm], plan: records.Plan | None, margin: float | None) -> tuple[Design, ...]:
    """The factorial and fractional designs of a plan, in its order."""
    chosen = [design for design in (plan.designs if plan else ()) if design.kind in records.FACTORIALS]
    return tuple(
        _design(_measured(arms, design, margin, f" ({number})" if number > 1 else ""))
        for number, design in enumerate(chosen, 1)
    )


def _measured(arms: Sequence[Arm], design: records.Design, margin: float | None, suffix: str) -> Measured:
    mine = [arm for arm in arms if arm.name in design.levels]
    sources = tuple(source for arm in mine for source in arm.sources)
    return Measured(design, {arm.name: arm.values for arm in mine}, margin, sources, suffix)


def _design(measured: Measured) -> Design:
    design, effects = measured.design, measured.effects()
    mains, pairs = (_tested([effect for effect in effects if len(effect.term) == size]) for size in (1, 2))
    main = _main_effects(measured, mains, _depends(mains, pairs, measured.margin))
    return Design(
        kind=design.kind, factors=design.factors, levels=design.levels, generators=design.generators,
        resolution=design.resolution, main=Family(f"main effects{measured.suffix}", None, main),
        interactions=Family(f"interactions{measured.suffix}", None, _interactions(measured, pairs)),
        power=_power(effects),
    )  # fmt: skip


def _tested(effects: Sequence[Effect]) -> list[Tested]:
    adjusted = holm([effect.estimate.p for effect in effects])
    return [Tested(effect, p) for effect, p in zip(effects, adjusted, strict=True)]


def _interactions(measured: Measured, pairs: Sequence[Tested]) -> tuple[Contrast, ...]:
    contrasts = []
    for pair in pairs:
        estimate, name = pair.effect.estimate, named(pair.effect.term)
        decided = judge(estimate.interval, pair.p_holm, measured.margin, is_interaction=True, aliases=pair.aliases)
        contrasts.append(
            measured.contrast("interaction", name, "interactions", estimate, pair.p_holm, decided, pair.aliases)
        )
    return tuple(contrasts)


def _main_effects(measured: Measured, mains: Sequence[Tested], depends: Depends) -> tuple[Contrast, ...]:
    simple, contrasts = _simple_effects(measured, depends), []
    for main in mains:
        (factor,), estimate, partners = main.effect.term, main.effect.estimate, depends.get(main.effect.term[0], ())
        aliases = (*main.aliases, *(alias for partner in partners for alias in partner.aliases))
        others = [partner.factor for partner in partners]
        decided = judge(estimate.interval, main.p_holm, measured.margin, interacts_with=others, aliases=aliases)
        contrasts.append(
            measured.contrast("main", factor, "main effects", estimate, main.p_holm, decided, main.aliases,
                              simple.get(factor, ()))
        )  # fmt: skip
    return tuple(contrasts)


def _depends(mains: Sequence[Tested], pairs: Sequence[Tested], margin: float | None) -> Depends:
    """Factor → what it interacts with, of the interactions that are there.

    Where a design cannot tell several apart, those are taken whose factors have the most significant main effects, as
    interactions seldom come without them (effect heredity); the others are named as aliases.

    Source: M. Hamada and C. F. J. Wu, "Analysis of designed experiments with complex aliasing", 1992.
    """
    strong = {main.effect.term[0] for main in mains if is_significant(main.p_holm)}
    depends = dict[str, list[Partner]]()
    for pair in (pair for pair in pairs if is_interaction_there(pair.effect.estimate.interval, pair.p_holm, margin)):
        terms = (pair.effect.term, *pair.effect.aliases)
        for term in _likeliest(terms, strong):
            aliases = tuple(named(other) for other in terms if other != term)
            for factor, other in (term, term[::-1]):
                depends.setdefault(factor, []).append(Partner(other, aliases))
    return depends


def _likeliest(terms: Sequence[Term], strong: set[str]) -> list[Term]:
    most = max(len(strong & set(term)) for term in terms)
    return [term for term in terms if len(strong & set(term)) == most]


def _simple_effects(measured: Measured, depends: Depends) -> dict[str, tuple[Contrast, ...]]:
    """Factor → its effect without and with each factor that it interacts with; all of them one family."""
    asked = [
        (factor, partner, is_on)
        for factor, partners in depends.items()
        for partner in partners
        for is_on in (False, True)
    ]
    values, levels = measured.values, measured.design.levels
    estimates = [
        possible(simple_effect(values, levels, factor, partner.factor, is_on=is_on)) for factor, partner, is_on in asked
    ]
    adjusted = holm([estimate.p for estimate in estimates])
    contrasts = dict[str, tuple[Contrast, ...]]()
    for (factor, partner, is_on), estimate, p in zip(asked, estimates, adjusted, strict=True):
        name = f"{factor} {'with' if is_on else 'without'} {partner.factor}"
        decided = judge(estimate.interval, p, measured.margin, aliases=partner.aliases)
        contrast = measured.contrast("simple", name, "simple effects", estimate, p, decided, partner.aliases)
        contrasts[factor] = (*contrasts.get(factor, ()), contrast)
    return contrasts


def named(term: Sequence[str], *, is_negated: bool = False) -> str:
    """``windowed × gumbel``, with a minus where it enters with one."""
    return (MINUS if is_negated else "") + " × ".join(term)


def _power(effects: Sequence[Effect]) -> str:
    spread = pooled_spread([effect.estimate for effect in effects])
    seeds = max((len(effect.estimate.by_seed) for effect in effects), default=0)
    head = f"{plural(seeds, 'seed')} with every arm"
    if spread is None:
        return f"{head}: no interval and no power without two."
    noise = f"effects spread over seeds by {percent(spread)} points (standard deviation, pooled)"
    return f"{head}; {noise}: {found_with(spread, seeds)}."
