"""Which arms are held against which base: one family of comparisons each, corrected together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..schema import Design
from ..view import View
from .options import is_named

WORDS = {"one_in": "one in", "one_out": "one out"}


@dataclass(frozen=True)
class Family:
    """``arms``: arm → what it is told by, a factor or nothing; each is held against ``base``."""

    name: str
    base: str
    arms: Mapping[str, str]


def families(seen: View, leave_out: tuple[str, ...]) -> list[Family]:
    """One-in and one-out designs, then the arms that are in no design (placebos, controls) against the grid's base.

    leave_out: variants that are shown elsewhere (peers).
    """
    designs = seen.grid.plan.designs if seen.grid.plan else ()
    found = [_of_design(design) for design in designs if design.kind in WORDS]
    base = seen.grid.base or next((family.base for family in found), None)
    placed = {arm for design in designs for arm in (design.base, *design.levels)}
    others = [arm for arm in seen.arms if arm not in {*placed, base} and not is_named(seen.variant(arm), leave_out)]
    if base is not None and others:
        found.append(Family("placebos and controls" if designs else "arms", base, dict.fromkeys(others, "")))
    return [family for family in found if family.arms]


def _of_design(design: Design) -> Family:
    usual = () if design.kind == "one_in" else design.factors
    at_base = set(design.levels.get(design.base, usual))
    changed = {arm: at_base ^ set(on) for arm, on in design.levels.items() if arm != design.base}
    return Family(WORDS[design.kind], design.base, {arm: " + ".join(sorted(names)) for arm, names in changed.items()})
