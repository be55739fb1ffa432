"""Designs: which combinations of factors a grid runs, and the variants that they are.

one_in        the base, and the base with one factor each
one_out       the base, and the base without one of its factors each
factorial     every combination: 2^k arms
fractional    a part of them in which each main effect can be told from all two-factor interactions (resolution IV;
              NIST/SEMATECH e-Handbook of Statistical Methods, 5.3.3.4), made by pyDOE3
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from itertools import combinations
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from swarmformer.contracts import Strict
from swarmformer.errors import SpecError
from swarmformer.merge import leaves

MAX_ARMS = 1024
Patch = dict[str, Any]
Levels = tuple[str, ...]
"""The factors that are on, in the order of the design."""


class DesignSpec(Strict):
    """A design as the grid file asks for it."""

    kind: Literal["one_in", "one_out", "factorial", "fractional"] = Field(
        description="base and base with one factor each; base and base without one each; all 2^k combinations; a part "
        "of them in which every main effect can be told from two-factor interactions"
    )
    base: str = Field(description="variant without any of the factors, or with all of them for `one_out`")
    factors: Annotated[list[str], Field(min_length=1)] = Field(description="names from factors.yaml")
    resolution: Annotated[int, Field(ge=3)] | None = Field(
        None, description="of a fraction (4 where nothing is said), as pyDOE3 has it; refused where it has none"
    )
    generators: str = Field(
        "", description="of a fraction, in pyDOE3's notation (`a b c d bcd acd abd abc`), instead of a resolution"
    )
    model: Patch = Field({}, description="laid over the model of every arm of the design")
    when: dict[str, Patch] = Field(
        {}, description="factor → patch laid over the model of the arms that have it, for options of its own components"
    )
    data: Patch = Field({}, description="laid over their data")
    train: Patch = Field({}, description="laid over their training")

    @model_validator(mode="after")
    def _fits(self) -> DesignSpec:
        if len(set(self.factors)) < len(self.factors):
            raise ValueError("a factor is given twice")
        if unknown := sorted(set(self.when) - set(self.factors)):
            raise ValueError(f"when: {', '.join(unknown)}: not among the factors: {', '.join(self.factors)}")
        _check_when(self.when)
        if self.kind != "fractional" and (self.resolution is not None or self.generators):
            raise ValueError(f"resolution and generators are for fractional designs, not for {self.kind}")
        if self.resolution is not None and self.generators:
            raise ValueError("give a resolution or generators, not both")
        if self.kind == "factorial" and 2 ** len(self.factors) > MAX_ARMS:
            raise ValueError(f"2^{len(self.factors)} arms are more than {MAX_ARMS}; take a fractional design")
        return self


def _check_when(when: dict[str, Patch]) -> None:
    """Which arm has an option must not hang on the order of factors, nor what a component is on a patch for options."""
    set_by: dict[tuple[str, ...], tuple[str, Any]] = {}
    for factor, patch in when.items():
        for path, value in leaves(patch):
            if path[-1] == "name":
                named = ".".join(path)
                raise ValueError(f"when: {factor}: {named}: options alone; another component is another factor")
            other, before = set_by.setdefault(path, (factor, value))
            if before != value:
                raise ValueError(f"when: {other} and {factor} set {'.'.join(path)} to different values")


def levels_of(design: DesignSpec) -> list[Levels]:
    """The factors that are on in each arm; the base comes first wherever it is one of the arms.

    Raises:
        SpecError: generators that do not fit, or a resolution that so many factors cannot have.
    """
    factors = tuple(design.factors)
    if design.kind == "one_in":
        return [(), *((factor,) for factor in factors)]
    if design.kind == "one_out":
        return [factors, *(tuple(f for f in factors if f != out) for out in factors)]
    signs = _signs(design)
    return [tuple(f for f, sign in zip(factors, row, strict=True) if sign > 0) for row in signs]


def variant_of(design: DesignSpec, levels: Levels) -> str:
    """The variant's name: ``base+windowed``, or ``enhanced-windowed`` for one_out."""
    if design.kind == "one_out":
        return design.base + "".join(f"-{factor}" for factor in design.factors if factor not in levels)
    return design.base + "".join(f"+{factor}" for factor in levels)


def resolution_of(design: DesignSpec) -> int | None:
    """Length of the shortest word: the smallest set of factors whose signs multiply to a constant.

    None where nothing is aliased.
    """
    return _shortest_word(_signs(design)) if design.kind == "fractional" else None


def _shortest_word(signs: np.ndarray) -> int | None:
    columns = signs.T
    for size in range(1, len(columns) + 1):
        if any(_constant(columns[list(chosen)]) for chosen in combinations(range(len(columns)), size)):
            return size
    return None


def _constant(columns: np.ndarray) -> bool:
    product = reduce(np.multiply, columns)
    return bool((product == product[0]).all())


def _signs(design: DesignSpec) -> np.ndarray:
    """−1 and +1, [arms, factors], arms with fewer factors first: a designed base is then the first arm."""
    from pyDOE3 import ff2n, fracfact, fracfact_by_res  # here: it brings scikit-learn, and most grids do without

    count = len(design.factors)
    try:
        if design.kind == "factorial":
            matrix = ff2n(count)
        elif design.generators:
            matrix = fracfact(design.generators)
        else:
            matrix = _with_base(fracfact_by_res(count, design.resolution or 4))
    except (ValueError, IndexError) as error:
        raise SpecError(f"pyDOE3 has no such fraction of {count} factors ({error}); give generators such as "
                        "'a b c abc', another resolution, or kind: factorial") from error  # fmt: skip
    if matrix.shape[1] != count:
        raise SpecError(f"generators: {matrix.shape[1]} columns for {count} factors")
    if len(np.unique(matrix, axis=0)) < len(matrix):
        raise SpecError("generators: some arms are the same twice")
    if design.resolution and (found := _shortest_word(matrix) or count) < design.resolution:
        raise SpecError(f"resolution: pyDOE3's {len(matrix)} arms of {count} factors have {found}, not "
                        f"{design.resolution}; ask for {found}, give generators, or kind: factorial")  # fmt: skip
    return np.asarray(sorted(matrix.tolist(), key=_by_count), dtype=int)


def _with_base(matrix: np.ndarray) -> np.ndarray:
    """The fraction of the same family that has the arm without factors: signs of whole columns change what is aliased
    with what in sign alone."""
    return matrix if (matrix == -1).all(axis=1).any() else -matrix * matrix[0]


def _by_count(row: Iterable[float]) -> tuple[int, list[float]]:
    signs = list(row)
    return sum(sign > 0 for sign in signs), [-sign for sign in signs]
