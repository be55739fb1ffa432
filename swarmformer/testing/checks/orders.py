"""The order of growth that is stated against the growth of the closed form."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch

from swarmformer import order, registry
from swarmformer.cost.parts import flops_of
from swarmformer.errors import SpecError
from swarmformer.schema import options_of
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.require import NotApplicableError, ViolationError, require

WAYS = ((1, 0), (0, 1), (1, 1), (2, 1), (1, 2))
"""Powers by which N and D grow together. The greatest exponents along them tell every term that ever dominates."""

LEAST_N, LEAST_D, DOUBLINGS = 2**6, 2**4, 20
"""Sizes before they grow, and how often the faster one has doubled before growth is measured: lesser terms are then
below a hundredth. Nothing is computed at such sizes, only the closed form."""

TOLERANCE = 0.05
"""Of an exponent."""

LARGE = 2**16
"""Value of an option whose growth is measured, far above the other sizes that it is added to."""


@check("embedding", "local", "router", "cluster", "feedback", "pooling", "model")
def flops_grow_in_the_stated_order(case: Case) -> None:
    """The exponents of ``flops`` at large sizes are those of ``order``, along N and D and the options it names."""
    if not case.build().order:
        raise NotApplicableError("states no order; say how flops grows, as in order = 'N·D²', and it is checked")
    for n, d in WAYS:
        speed = DOUBLINGS // max(n, d)
        sizes = [(LEAST_N * 2 ** (n * at), LEAST_D * 2 ** (d * at)) for at in (speed, speed + 1)]
        points = [_point(case, *size) for size in sizes]
        _compare(f"N by 2^{n} and D by 2^{d}", {"N": n, "D": d}, *points)
    N = LEAST_N * 2**DOUBLINGS
    for symbol, option in _options(case):
        points = [_point(case, N, LEAST_D, **{option: value}) for value in (LARGE + 1, 2 * LARGE + 1)]
        _compare(f"{option} by 2", {symbol: 1}, *points)


def _options(case: Case) -> Iterator[tuple[str, str]]:
    """The symbols that an option of the component sets, each with that option."""
    known = {option.name for option in options_of(case.cls, registry.leading_of(case.slot, case.cls))}
    for symbol, about in order.SYMBOLS.items():
        setters = [option for option in about.options if option in known]
        if setters:
            yield symbol, setters[0]


def _point(case: Case, N: int, D: int, **options: int) -> tuple[str, int]:
    """The stated order, which may depend on options, and the closed form."""
    dims = DIMS.model_copy(update={"d_model": D, "seq_len": N})
    with torch.device("meta"):
        component = case.make(dims, **options)
    return component.order, flops_of(case.slot, component, dims, N)


def _compare(what: str, along: Mapping[str, int], before: tuple[str, int], after: tuple[str, int]) -> None:
    (stated, first), (_, second) = before, after
    try:
        predicted = order.exponent(stated, along)
    except SpecError as error:
        raise ViolationError(str(error)) from error
    if predicted is None or first == 0:
        require(predicted is None and first == second == 0, f"order is {stated}, but flops are {first:,}")
        return
    grown = math.log2(second / first)
    near = abs(grown - predicted) <= TOLERANCE
    require(near, f"growing {what}, flops grow by 2^{grown:.2f}; the order {stated} predicts 2^{predicted}")
