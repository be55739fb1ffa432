"""The terms of a factorial model as columns of signs, and which of them a design cannot tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Term = tuple[str, ...]
"""Names of factors: one is a main effect, two are their interaction."""
Levels = Mapping[str, Sequence[str]]
"""Arm → the factors that are on in it."""


def terms_of(factors: Sequence[str], order: int) -> list[Term]:
    """Main effects in the order of ``factors``, then (``order`` 2 and up) the interactions."""
    return [term for size in range(1, order + 1) for term in combinations(factors, size)]


def signs(term: Iterable[str], levels: Levels) -> NDArray[np.int64]:
    """Per arm of ``levels``: the product over the term's factors of +1 (on) and −1 (off)."""
    names = tuple(term)
    return np.array([(-1) ** sum(name not in on for name in names) for on in levels.values()], np.int64)


def alias_groups(levels: Levels, factors: Sequence[str], order: int = 2) -> list[dict[Term, int]]:
    """Terms up to ``order`` that the design cannot tell apart, each with its sign.

    Two terms are aliases if their columns of signs are the same (+1) or opposite (−1: one's effect is the other's,
    negated; relative to the first of the group). Works on the columns alone, so for any design. A column that does
    not vary is an alias of the mean and stands alone. Groups and their members keep the order of ``terms_of``, so
    that a main effect, where there is one, comes first.

    Raises ValueError for a factor in ``levels`` that is not among ``factors``, or one named twice.
    """
    _check(levels, factors)
    groups: dict[tuple[int, ...] | Term, dict[Term, int]] = {}
    for term in terms_of(factors, order):
        column = signs(term, levels)
        is_constant = bool((column == column[:1]).all())
        key = term if is_constant else tuple((column * column[0]).tolist())
        group = groups.setdefault(key, {})
        first = signs(next(iter(group), term), levels)
        group[term] = int(first[0] * column[0]) if len(column) else 1
    return list(groups.values())


def _check(levels: Levels, factors: Sequence[str]) -> None:
    unknown = sorted({name for on in levels.values() for name in on} - set(factors))
    if unknown:
        raise ValueError(f"levels name factors that the design does not have: {', '.join(unknown)}")
    if len(set(factors)) < len(factors):
        raise ValueError(f"a factor is named twice: {', '.join(factors)}")
