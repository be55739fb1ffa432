"""Effects of a two-level design as contrasts of its arms, and which of them the design cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .contrast import Estimate, Values, contrast

Term = tuple[str, ...]
"""Names of factors: one is a main effect, two are their interaction."""
Levels = Mapping[str, Sequence[str]]
"""Arm → the factors that are on in it."""


@dataclass(frozen=True)
class Effect:
    """What a term does to the value, in the value's unit.

    term: its factors, one or two. estimate: of the mean where the product of the factors' signs (+1 on, −1 off) is
    +1, less the mean where it is −1. aliases: other terms, up to two factors, that the design cannot tell from it, so
    that the estimate is of their sum; each with the sign that it enters by.
    """

    term: Term
    estimate: Estimate
    aliases: Mapping[Term, int]


def factorial_effects(values: Values, levels: Levels, factors: Sequence[str]) -> list[Effect]:
    """Main effects, then one interaction per group of aliases; interactions aliased with a main effect stand there.

    values: of the design's arms; others are not looked at. A seed counts where it has every arm. Two factors that are
    always on together are one effect, under the first one's name. Interactions of three factors and more are taken to
    be zero. Raises ValueError: see ``alias_groups``.
    """
    effects = []
    for group in alias_groups(levels, factors):
        term, *others = group
        estimate = contrast(values, effect_weights(term, levels))
        effects.append(Effect(term, estimate, {other: group[other] for other in others}))
    return sorted(effects, key=lambda effect: len(effect.term))


def simple_effect(values: Values, levels: Levels, factor: str, other: str, *, is_on: bool) -> Estimate:
    """Effect of ``factor`` among the arms where ``other`` is on, or among those where it is off."""
    return contrast(values, simple_weights(levels, factor, other, is_on=is_on))


def simple_weights(levels: Levels, factor: str, other: str, *, is_on: bool) -> dict[str, float]:
    """Arm → its weight in ``simple_effect``; of the arms that have one."""
    return effect_weights((factor,), {arm: on for arm, on in levels.items() if (other in on) == is_on})


def effect_weights(term: Term, levels: Levels) -> dict[str, float]:
    """Of a mean less a mean; none where the term does not vary."""
    column = dict(zip(levels, signs(term, levels).tolist(), strict=True))
    counts = {sign: sum(value == sign for value in column.values()) for sign in (1, -1)}
    return {arm: sign / counts[sign] for arm, sign in column.items()} if all(counts.values()) else {}


def signs(term: Term, levels: Levels) -> NDArray[np.int64]:
    """Per arm of ``levels``: the product over the term's factors of +1 (on) and −1 (off)."""
    return np.array([(-1) ** sum(name not in on for name in term) for on in levels.values()], np.int64)


def alias_groups(levels: Levels, factors: Sequence[str]) -> list[dict[Term, int]]:
    """Terms of one or two factors that the design cannot tell apart, each with its sign.

    Two terms are aliases if their columns of signs are the same (+1) or opposite (−1: one's effect is the other's,
    negated; relative to the first of the group). Works on the columns alone, so for any design. A column that does
    not vary is an alias of the mean and stands alone. Main effects, in the order of ``factors``, come before
    interactions, among groups and within them.

    Raises ValueError for a factor in ``levels`` that is not among ``factors``, or one named twice.
    """
    unknown = sorted({name for on in levels.values() for name in on} - set(factors))
    if unknown:
        raise ValueError(f"levels name factors that the design does not have: {', '.join(unknown)}")
    if len(set(factors)) < len(factors):
        raise ValueError(f"a factor is named twice: {', '.join(factors)}")
    groups: dict[tuple[int, ...] | Term, dict[Term, int]] = {}
    for term in [*combinations(factors, 1), *combinations(factors, 2)]:
        column = signs(term, levels)
        is_constant = bool((column == column[:1]).all())
        group = groups.setdefault(term if is_constant else tuple((column * column[0]).tolist()), {})
        first = signs(next(iter(group), term), levels)
        group[term] = int(first[0] * column[0]) if len(column) else 1
    return list(groups.values())
