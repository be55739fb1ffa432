"""Which factors are on and off in an arm."""

from __future__ import annotations

from pathlib import Path

from reports.site.arms import Levels, levels
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_design import FACTORS, levels_of, write_design
from tests.reports.synthetic_runs import only


def test_a_design_says_for_each_arm_what_is_on_and_off(tmp_path: Path) -> None:
    found = levels(only(write_design(tmp_path / "fraction", {}, seeds=[0])))
    assert {arm: set(one.on) for arm, one in found.items()} == {a: set(on) for a, on in levels_of(FACTORS).items()}
    assert all(one.on | one.off == set(FACTORS) and not one.on & one.off for one in found.values())


def test_names_say_it_of_arms_of_one_stem_and_nothing_of_others(tmp_path: Path) -> None:
    arms = ["base", "base+a", "base+a+b", "enhanced", "enhanced-c", "transformer"]
    found = levels(only(runs.write_grid(tmp_path / "demo", {arm: {} for arm in arms})))

    def level(on: str = "", off: str = "") -> Levels:
        return Levels(frozenset(on), frozenset(off))

    expected = [level("", "ab"), level("a", "b"), level("ab"), level("c"), level("", "c"), level()]
    assert found == dict(zip(arms, expected, strict=True))
