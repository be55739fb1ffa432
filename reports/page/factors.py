"""Which factors are on and which are off in an arm, as far as its grid says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..read import Grid


@dataclass(frozen=True)
class Levels:
    """Factors known to be on, and known to be off; of any other nothing is said."""

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()


def levels(grid: Grid) -> dict[str, Levels]:
    """Arm → its factors: by the grid's designs, else by the name of its variant.

    ``base+windowed`` has windowed on, ``enhanced-windowed`` off; the other arms of the same stem have it the other way.
    """
    found = _by_name(grid)
    for design in grid.plan.designs if grid.plan else ():
        factors = frozenset(design.factors)
        for arm, on in design.levels.items():
            found[arm] = Levels(frozenset(on), factors - frozenset(on))
    return found


def _by_name(grid: Grid) -> dict[str, Levels]:
    parts = {arm.arm: _parts(arm.variant) for arm in grid.planned}
    found = {}
    for arm, (stem, plus, minus) in parts.items():
        others = [other for other in parts.values() if other[0] == stem]
        added = frozenset(name for _, names, _ in others for name in names)
        removed = frozenset(name for _, _, names in others for name in names)
        found[arm] = Levels(plus | (removed - minus), minus | (added - plus))
    return found


def _parts(variant: str) -> tuple[str, frozenset[str], frozenset[str]]:
    stem, *changes = re.split(r"(?=[+-])", variant)
    plus = frozenset(change[1:] for change in changes if change[0] == "+")
    return stem, plus, frozenset(change[1:] for change in changes) - plus
