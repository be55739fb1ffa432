"""Factorial designs of a plan with their effects, decided once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .. import schema
from ..statistics.contrast import Estimate, Values, pooled_spread
from ..statistics.factorial import Effect, factorial_effects, simple_effect
from ..statistics.multiple import holm
from ..statistics.terms import Term
from ..statistics.verdict import Verdict, is_significant, judge, judge_interaction, judge_main
from ..words import MINUS, percent, plural
from .families import found_with
from .model import Arm, Contrast, Design, Family, Kind

Depends = Mapping[str, Sequence[str]]
"""Factor → the factors that it interacts with."""


@dataclass(frozen=True)
class Measured:
    """A design and what its arms reached; ``suffix`` tells the families of several designs of a grid apart."""

    design: schema.Design
    values: Values
    margin: float | None
    sources: tuple[str, ...]
    suffix: str = ""

    def contrast(
        self, kind: Kind, name: str, family: str, estimate: Estimate, p_holm: float | None,
        decided: tuple[Verdict | None, str], aliases: tuple[str, ...] = (), simple: tuple[Contrast, ...] = (),
    ) -> Contrast:  # fmt: skip
        verdict, reason = decided
        return Contrast(kind, name, "", f"{family}{self.suffix}", estimate.interval, estimate.p, p_holm, verdict,
                        reason, len(estimate.by_seed), self.sources, aliases, simple)  # fmt: skip


def designs(arms: Sequence[Arm], plan: schema.Plan | None, margin: float | None) -> tuple[Design, ...]:
    """The factorial and fractional designs of a plan, in its order."""
    chosen = [design for design in (plan.designs if plan else ()) if design.kind in schema.FACTORIALS]
    return tuple(
        _design(_measured(arms, design, margin, f" ({number})" if number > 1 else ""))
        for number, design in enumerate(chosen, 1)
    )


def _measured(arms: Sequence[Arm], design: schema.Design, margin: float | None, suffix: str) -> Measured:
    mine = [arm for arm in arms if arm.name in design.levels]
    sources = tuple(source for arm in mine for source in arm.sources)
    return Measured(design, {arm.name: arm.values for arm in mine}, margin, sources, suffix)


def _design(measured: Measured) -> Design:
    design = measured.design
    effects = factorial_effects(measured.values, design.levels, design.factors)
    mains, pairs = ([effect for effect in effects if len(effect.term) == size] for size in (1, 2))
    p_mains, p_pairs = (holm([effect.estimate.p for effect in group]) for group in (mains, pairs))
    depends = _depends(mains, p_mains, pairs, p_pairs)
    main = Family(f"main effects{measured.suffix}", None, _main_effects(measured, mains, p_mains, depends))
    interactions = Family(f"interactions{measured.suffix}", None, _interactions(measured, pairs, p_pairs))
    return Design(
        kind=design.kind, factors=design.factors, levels=design.levels, generators=design.generators,
        resolution=design.resolution, main=main, interactions=interactions, power=_power(measured, effects),
    )  # fmt: skip


def _interactions(measured: Measured, pairs: Sequence[Effect], p_holm: Sequence[float | None]) -> tuple[Contrast, ...]:
    return tuple(
        measured.contrast(
            "interaction", named(effect.term), "interactions", effect.estimate, p,
            judge_interaction(effect.estimate.interval, p, measured.margin, aliases_of(effect)), aliases_of(effect),
        )
        for effect, p in zip(pairs, p_holm, strict=True)
    )  # fmt: skip


def _main_effects(
    measured: Measured, mains: Sequence[Effect], p_holm: Sequence[float | None], depends: Depends
) -> tuple[Contrast, ...]:
    simple = _simple_effects(measured, depends)
    contrasts = []
    for effect, p in zip(mains, p_holm, strict=True):
        (factor,), aliases = effect.term, aliases_of(effect)
        decided = judge_main(effect.estimate.interval, p, measured.margin, depends.get(factor, ()), aliases)
        contrasts.append(measured.contrast("main", factor, "main effects", effect.estimate, p, decided, aliases,
                                           simple.get(factor, ())))  # fmt: skip
    return tuple(contrasts)


def _depends(
    mains: Sequence[Effect], p_mains: Sequence[float | None], pairs: Sequence[Effect], p_pairs: Sequence[float | None]
) -> Depends:
    """Of the interactions that are there. Where a design cannot tell several apart, those are taken whose factors have
    the most significant main effects: interactions seldom come without them (effect heredity).

    Source: M. Hamada and C. F. J. Wu, "Analysis of designed experiments with complex aliasing", 1992.
    """
    strong = {effect.term[0] for effect, p in zip(mains, p_mains, strict=True) if is_significant(p)}
    depends = dict[str, list[str]]()
    for effect, p in zip(pairs, p_pairs, strict=True):
        if is_significant(p):
            for factor, other in _likeliest((effect.term, *effect.aliases), strong):
                depends.setdefault(factor, []).append(other)
                depends.setdefault(other, []).append(factor)
    return depends


def _likeliest(terms: Sequence[Term], strong: set[str]) -> list[Term]:
    most = max(len(strong & set(term)) for term in terms)
    return [term for term in terms if len(strong & set(term)) == most]


def _simple_effects(measured: Measured, depends: Depends) -> dict[str, tuple[Contrast, ...]]:
    """Factor → its effect without and with each factor that it interacts with; all of them one family."""
    levels = measured.design.levels
    asked = [
        (factor, other, is_on) for factor, others in depends.items() for other in others for is_on in (False, True)
    ]
    estimates = [simple_effect(measured.values, levels, factor, other, is_on=is_on) for factor, other, is_on in asked]
    contrasts = dict[str, tuple[Contrast, ...]]()
    adjusted = holm([estimate.p for estimate in estimates])
    for (factor, other, is_on), estimate, p in zip(asked, estimates, adjusted, strict=True):
        name = f"{factor} {'with' if is_on else 'without'} {other}"
        decided = judge(estimate.interval, p, measured.margin)
        contrast = measured.contrast("simple", name, "simple effects", estimate, p, decided)
        contrasts[factor] = (*contrasts.get(factor, ()), contrast)
    return contrasts


def named(term: Sequence[str], *, is_negated: bool = False) -> str:
    """``windowed × gumbel``, with a minus where it enters with one."""
    return (MINUS if is_negated else "") + " × ".join(term)


def aliases_of(effect: Effect) -> tuple[str, ...]:
    return tuple(named(alias, is_negated=alias in effect.negated) for alias in effect.aliases)


def _power(measured: Measured, effects: Sequence[Effect]) -> str:
    spread = pooled_spread([effect.estimate for effect in effects])
    seeds = max((len(effect.estimate.by_seed) for effect in effects), default=0)
    head = f"{plural(seeds, 'seed')} with every arm"
    if spread is None:
        return f"{head}: no interval and no power without two."
    noise = f"effects spread over seeds by {percent(spread)} points (standard deviation, pooled)"
    return f"{head}; {noise}: {found_with(spread, seeds)}."
