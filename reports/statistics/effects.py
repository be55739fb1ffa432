"""Main effects and two-factor interactions of a factorial grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd
from scipy import stats

from .interval import LEVEL
from .linear import Fit, fit
from .multiple import holm
from .terms import Levels, Term, alias_groups

Order = Literal[1, 2]


@dataclass(frozen=True)
class Effect:
    """What a term does to the value, in the value's unit.

    term: its factors. aliases: other terms, up to two factors, that the design cannot tell from it: the estimate is
    of their sum. negated: those of the aliases that enter that sum with a minus.
    estimate: mean where the product of the factors' signs (+1 on, −1 off) is +1, less the mean where it is −1; the
    least-squares estimate where runs are missing. None where the runs at hand do not determine it.
    low, high: 95 % t interval; p: two-sided. None too where no degree of freedom is left; p also where all runs agree.
    p_holm: over the main effects, or over the interactions. n: runs that were used.
    """

    term: Term
    aliases: tuple[Term, ...]
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    n: int
    negated: tuple[Term, ...] = ()


def factorial_effects(cells: pd.DataFrame, levels: Levels, factors: Sequence[str], *, order: Order = 1) -> list[Effect]:
    """Effects of a grid, main effects first, then (``order`` 2) one interaction per group of aliases.

    cells: columns ``arm``, ``seed``, ``value``; arms that ``levels`` (arm → factors that are on) does not have are not
    of the design and left out. Errors as in ``values.clean`` and ``terms.alias_groups``.

    Two factors that are always on together are one effect, under the first one's name. An interaction that is aliased
    with a main effect is named there. The model is a block per seed and the terms; interactions that are not asked
    for, and all of three factors and more, are taken to be zero. Where they are not, they widen the intervals, so the
    intervals of order 1 are the wider ones. Where runs are missing a model of order 2 may not be determined though
    one of order 1 is.
    """
    groups = _groups(levels, factors, order)
    if not groups:
        return []
    found = _effects(fit(cells, levels, terms_to_fit(levels, factors, order)), groups)
    return [effect for size in range(1, order + 1) for effect in _adjusted(found, size)]


def residual_noise(cells: pd.DataFrame, levels: Levels, factors: Sequence[str], *, order: Order = 1) -> Fit:
    """The fit behind ``factorial_effects``: its ``sd``, ``df`` and ``n`` are what power is computed from."""
    return fit(cells, levels, terms_to_fit(levels, factors, order))


def terms_to_fit(levels: Levels, factors: Sequence[str], order: Order) -> list[Term]:
    """One term per group of aliases, the one that the group's effect is named after."""
    return [next(iter(group)) for group in _groups(levels, factors, order)]


def _groups(levels: Levels, factors: Sequence[str], order: Order) -> list[dict[Term, int]]:
    # Aliases are looked for among interactions whether or not those are estimated.
    return [group for group in alias_groups(levels, factors, order=2) if len(next(iter(group))) <= order]


def _effects(model: Fit, groups: Sequence[dict[Term, int]]) -> list[Effect]:
    parts = zip(groups, model.estimates, model.errors, strict=True)
    return [_effect(group, estimate, error, model) for group, estimate, error in parts]


def _effect(group: dict[Term, int], estimate: float | None, error: float | None, model: Fit) -> Effect:
    term, *aliases = group
    negated = tuple(alias for alias in aliases if group[alias] < 0)
    low = high = p = None
    if estimate is not None and error is not None:
        half = float(stats.t.ppf((1 + LEVEL) / 2, model.df)) * error
        low, high = estimate - half, estimate + half
        p = float(2 * stats.t.sf(abs(estimate) / error, model.df)) if error > 0 else None
    return Effect(term, tuple(aliases), estimate, low, high, p, None, model.n, negated)


def _adjusted(effects: Sequence[Effect], size: int) -> list[Effect]:
    family = [effect for effect in effects if len(effect.term) == size]
    adjusted = holm([effect.p for effect in family])
    return [replace(effect, p_holm=p) for effect, p in zip(family, adjusted, strict=True)]
