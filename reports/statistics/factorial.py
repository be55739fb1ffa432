"""Main effects, interactions and simple effects of a two-level design, as contrasts of its arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .contrast import Estimate, Values, contrast
from .terms import Levels, Term, alias_groups, signs


@dataclass(frozen=True)
class Effect:
    """What a term does to the value, in the value's unit.

    term: its factors, one or two. estimate: of the mean where the product of the factors' signs (+1 on, −1 off) is
    +1, less the mean where it is −1. aliases: other terms, up to two factors, that the design cannot tell from it, so
    that the estimate is of their sum; those with a minus in it are ``negated``.
    """

    term: Term
    estimate: Estimate
    aliases: tuple[Term, ...] = ()
    negated: tuple[Term, ...] = ()


def factorial_effects(values: Values, levels: Levels, factors: Sequence[str]) -> list[Effect]:
    """Main effects, then one interaction per group of aliases; interactions aliased with a main effect stand there.

    values: of the design's arms; others are not looked at. A seed counts where it has every arm. Two factors that are
    always on together are one effect, under the first one's name. Interactions of three factors and more are taken to
    be zero. Raises ValueError: see ``terms.alias_groups``.
    """
    groups = alias_groups(levels, factors, order=2)
    ordered = sorted(groups, key=lambda group: len(next(iter(group))))
    return [_effect(values, levels, group) for group in ordered]


def simple_effect(values: Values, levels: Levels, factor: str, other: str, *, is_on: bool) -> Estimate:
    """Effect of ``factor`` among the arms where ``other`` is on, or among those where it is off."""
    among = {arm: on for arm, on in levels.items() if (other in on) == is_on}
    return contrast(values, _weights((factor,), among))


def _effect(values: Values, levels: Levels, group: Mapping[Term, int]) -> Effect:
    term, *aliases = group
    negated = tuple(alias for alias in aliases if group[alias] < 0)
    return Effect(term, contrast(values, _weights(term, levels)), tuple(aliases), negated)


def _weights(term: Term, levels: Levels) -> dict[str, float]:
    """Of a mean less a mean; none where the term does not vary."""
    column = dict(zip(levels, signs(term, levels).tolist(), strict=True))
    counts = {sign: sum(value == sign for value in column.values()) for sign in (1, -1)}
    return {arm: sign / counts[sign] for arm, sign in column.items()} if all(counts.values()) else {}
