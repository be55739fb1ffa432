"""How a cost grows: a sum of products of sizes, such as ``N·D² + N·W·D``, up to constant factors.

A component states its order as text (``Component.order``); here it is read, joined, and asked for the exponent
that it predicts. ``swarmformer.testing`` holds the closed forms to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from swarmformer.errors import SpecError


class Symbol(NamedTuple):
    """What a letter stands for, and the options that set it; the first that a component has is the one."""

    meaning: str
    options: tuple[str, ...] = ()


SYMBOLS = {
    "N": Symbol("tokens of a text"),
    "C": Symbol("clusters of the first layer, ⌈N / S⌉"),
    "D": Symbol("width, `dims.d_model`"),
    "T": Symbol("steps of the rolling shift, `T_local`", ("T_local",)),
    "W": Symbol("radius of the window", ("window",)),
    "K": Symbol("tokens that a convolution sees", ("kernel",)),
    "X": Symbol("width of keys and queries of a router", ("width",)),
    "r": Symbol("radius of a router's neighbourhood, in clusters", ("radius",)),
    "R": Symbol("rows that keys and values are reduced to: latents, rank, mixtures", ("k", "latents", "rank")),
    "F": Symbol("width of a hidden layer, or filters of a convolution", ("filters",)),
}
"""Layers, heads, classes, and widths that are a multiple of D count as constant factors and have no symbol."""

NONE = "0"
"""The order of what has no matrix product."""

FACTOR = re.compile(r"(\w)([²³]?)")
POWERS = {"": 1, "²": 2, "³": 3}
Exponents = dict[str, int]


def terms(order: str) -> dict[str, Exponents]:
    """Each term of a sum as it is written, and the exponents of its symbols; none for ``0``.

    Raises:
        SpecError: it is not a sum of products of ``SYMBOLS``.
    """
    return {} if order == NONE else {term: _exponents(term, order) for term in order.split(" + ")}


def _exponents(term: str, order: str) -> Exponents:
    found: Exponents = {}
    for factor in term.split("·"):
        match = FACTOR.fullmatch(factor)
        if match is None or match[1] not in SYMBOLS or match[1] in found:
            raise SpecError(
                f"order {order!r}: cannot read {factor!r}. Write a sum such as 'N·D² + C²·D', with each symbol once "
                f"in a term, of: {', '.join(f'{name} ({symbol.meaning})' for name, symbol in SYMBOLS.items())}; "
                f"or {NONE!r} where there is no matrix product"
            )
        found[match[1]] = POWERS[match[2]]
    return found


def joined(orders: Iterable[str]) -> str:
    """The order of a sum, without the terms that another one outgrows or equals; empty where one is not stated."""
    stated = tuple(orders)
    if "" in stated:
        return ""
    found = {term: exponents for order in stated for term, exponents in terms(order).items()}
    kept: dict[str, Exponents] = {}
    for term, exponents in found.items():
        if not any(_bounded(exponents, other) for other in kept.values()):
            kept = {other: powers for other, powers in kept.items() if not _bounded(powers, exponents)}
            kept[term] = exponents
    return " + ".join(kept) or NONE


def _bounded(term: Exponents, other: Exponents) -> bool:
    """Whether a term is at most another one, at any sizes with 1 ≤ C ≤ N."""
    long = [exponents.get("N", 0) + exponents.get("C", 0) for exponents in (term, other)]
    return long[0] <= long[1] and all(power <= other.get(name, 0) for name, power in term.items() if name != "C")


def exponent(order: str, along: Mapping[str, int]) -> int | None:
    """The power of 2 that a cost grows by where each symbol grows by 2 to its power in ``along``.

    C follows N. It is the greatest of the terms', so it holds where the sizes are large in these proportions.
    None for ``0``, which does not grow.
    """
    power = {"C": along.get("N", 0), **along}
    growth = [sum(power.get(name, 0) * p for name, p in exponents.items()) for exponents in terms(order).values()]
    return max(growth, default=None)
