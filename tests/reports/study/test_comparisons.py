"""Families, effects and verdicts of a study; what a reader must not be told."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.statistics.interval import Interval
from reports.statistics.verdict import Verdict, holm
from reports.study.build import study
from reports.study.contrasts import Contrast, Design
from reports.study.families import versus
from reports.study.model import GridStudy
from tests.committed import SEALED
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_design import FACTORS, write_design

PRIMARY = {"metric": "accuracy", "margin_points": 0.3}


def planned(folder: Path, accuracies: dict[str, dict[int, float]], seeds: list[int], **changes: Any) -> GridStudy:
    runs.write_grid(folder, accuracies, seeds)
    plan = json.loads((folder / "plan.json").read_text())
    runs.write_registered(folder, {**plan, "primary": PRIMARY, **changes})
    (grid,) = study([folder]).grids
    return grid


def design(kind: str, base: str, levels: dict[str, list[str]]) -> dict[str, Any]:
    factors = sorted({name for on in levels.values() for name in on})
    return {"kind": kind, "base": base, "factors": factors, "levels": levels}


def shown(contrast: Contrast) -> tuple[Verdict | None, str]:
    return contrast.verdict, contrast.reason


def test_every_difference_is_in_the_first_family_that_asks_for_it(tmp_path: Path) -> None:
    arms = ("base", "a", "b", "all", "all-a", "placebo", "control", "peer")
    accuracies = {arm: {0: 0.5 + number / 50, 1: 0.52 + number / 40} for number, arm in enumerate(arms)}
    designs = [
        design("one_in", "base", {"base": [], "a": ["a"], "b": ["b"]}),
        design("one_in", "base", {"base": [], "a": ["a"]}),
        design("one_out", "all", {"all": ["a", "b"], "all-a": ["b"]}),
    ]
    folder = tmp_path / "demo"
    runs.write_grid(folder, accuracies, [0, 1])
    for arm in arms:
        for cell in (folder / f"{arm}-{seed}" for seed in (0, 1)):
            config = json.loads((cell / "config.json").read_text())
            config["spec"]["model"] = {"name": "transformer" if arm == "peer" else "swarmformer"}
            runs.write(cell / "config.json", config)
    plan = json.loads((folder / "plan.json").read_text())
    runs.write_registered(folder, {**plan, "primary": PRIMARY, "designs": designs})
    (grid,) = study([folder]).grids
    families = {family.name: [(one.name, one.against) for one in family.contrasts] for family in grid.families}
    assert families == {
        "one in": [("a", "base"), ("b", "base")],
        "one out": [("all-a", "all")],
        "placebos and controls": [("placebo", "base"), ("control", "base")],
        "peers": [("peer", "base")],
        "arms": [("all", "base"), ("all-a", "base")],
    }
    assert grid.families[0].factors == {"a": "a", "b": "b"} and grid.families[1].factors == {"all-a": "a"}
    for family in grid.families:
        assert [one.p_holm for one in family.contrasts] == holm([one.p for one in family.contrasts])
        assert family.power


def test_two_seeds_that_agree_by_chance_decide_nothing(tmp_path: Path) -> None:
    """Twenty test examples: accuracies in steps of five points, equal or shifted alike in both seeds."""
    accuracies = {"base": {0: 0.40, 1: 0.45}, "same": {0: 0.40, 1: 0.45}, "more": {0: 0.55, 1: 0.60}}
    levels = {"base": [], "same": ["same"], "more": ["more"]}
    grid = planned(tmp_path / "demo", accuracies, [0, 1], designs=[design("one_in", "base", levels)])
    for name, mean in (("same", 0.0), ("more", 0.15)):
        contrast = grid.contrast("difference", name, "base")
        assert contrast.interval.mean == pytest.approx(mean)
        assert (contrast.interval.low, contrast.interval.high, contrast.p) == (None, None, None)
        assert contrast.verdict is Verdict.UNDECIDED and "no spread observed is not certainty" in contrast.reason


def test_any_pair_can_be_compared_and_keeps_the_verdict_it_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    accuracies = {arm: dict(enumerate(rng.normal(0.5, 0.02, 3).tolist())) for arm in ("base", "x", "y")}
    grid = planned(tmp_path / "demo", accuracies, [0, 1, 2])
    planned_pair = grid.contrast("difference", "x", "base")
    assert versus(grid, "x", "base") is planned_pair
    assert versus(grid, "base", "x").p_holm == planned_pair.p_holm, "one family, whichever of the two is named first"
    other = versus(grid, "x", "y")
    assert other.p_holm == other.p is not None and other.family == "x against y"
    turned = versus(grid, "y", "x")
    assert turned.interval.mean == pytest.approx(-other.interval.mean) and turned.p == pytest.approx(other.p)


def test_the_turned_pair_has_the_mirrored_interval_and_verdict(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.0005, (4, 5)).tolist()
    means = {"base": 0.5, "more": 0.6, "less": 0.4, "same": 0.5}
    accuracies = {arm: {seed: mean + noise[place][seed] for seed in range(5)}
                  for place, (arm, mean) in enumerate(means.items())}  # fmt: skip
    grid = planned(tmp_path / "demo", accuracies, list(range(5)))
    expected = {"more": (Verdict.BETTER, Verdict.WORSE), "less": (Verdict.WORSE, Verdict.BETTER),
                "same": (Verdict.EQUIVALENT, Verdict.EQUIVALENT)}  # fmt: skip
    for arm, verdicts in expected.items():
        there, back = versus(grid, arm, "base"), versus(grid, "base", arm)
        assert (there.verdict, back.verdict) == verdicts
        assert (back.name, back.against, back.p_holm, back.family) == ("base", arm, there.p_holm, there.family)
        assert back.interval == Interval(-there.interval.mean, -there.interval.high, -there.interval.low, 5)
        assert back.sources == there.sources


def test_a_test_that_holm_had_nothing_to_correct_for_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    accuracies = {arm: {seed: 0.5 + rise + rng.normal(0, 0.002) for seed in range(4)}
                  for arm, rise in (("base", 0.0), ("x", 0.1), ("y", 0.2))}  # fmt: skip
    grid = planned(tmp_path / "demo", accuracies, [0, 1, 2, 3])
    assert versus(grid, "y", "x").reason.endswith("by itself") and versus(grid, "y", "x").tests == 1
    assert versus(grid, "y", "base").reason.endswith("after Holm") and versus(grid, "y", "base").tests == 2


def design_of(folder: Path, **changes: Any) -> Design:
    (grid,) = study([write_design(folder, **changes)]).grids
    (found,) = grid.effects
    return found


def test_a_main_effect_whose_factor_interacts_is_no_verdict(tmp_path: Path) -> None:
    """Windowed is worth nothing without layer_norm and twenty points with it."""
    terms = {("windowed",): 0.10, ("layer_norm",): -0.10, ("windowed", "layer_norm"): 0.10, ("gumbel",): 0.06}
    found = design_of(tmp_path / "demo", terms=terms, noise=0.002)
    mains = {one.name: one for one in found.main.contrasts}
    aliases = ("multi_head × routing", "gated_mlp × gumbel", "tied_qkv × pyramid")
    for name, other in (("windowed", "layer_norm"), ("layer_norm", "windowed")):
        assert mains[name].verdict is Verdict.DEPENDS
        assert mains[name].reason == f"interacts with {other}; not told from {', '.join(aliases)}"
        without, with_it = mains[name].simple
        assert (without.name, with_it.name) == (f"{name} without {other}", f"{name} with {other}")
        assert without.family == with_it.family == "simple effects" and without.aliases == aliases
    without, with_it = mains["windowed"].simple
    assert without.interval.mean == pytest.approx(0.0, abs=0.01) and with_it.interval.mean == pytest.approx(
        0.2, abs=0.01
    )
    assert with_it.verdict is Verdict.BETTER and without.verdict is not Verdict.BETTER
    assert mains["gumbel"].verdict is Verdict.BETTER and mains["gumbel"].simple == ()
    simple = [one for main in found.main.contrasts for one in main.simple]
    assert [one.p_holm for one in simple] == holm([one.p for one in simple])
    (pair,) = (one for one in found.interactions.contrasts if one.verdict is Verdict.INTERACTS)
    assert pair.name == "windowed × layer_norm" and pair.aliases == aliases


def test_an_interaction_without_main_effects_is_laid_to_no_pair_alone(tmp_path: Path) -> None:
    """A fraction of resolution IV cannot tell which of four pairs interacts; no main effect says which is likely."""
    found = design_of(tmp_path / "demo", terms={("windowed", "gated_mlp"): 0.1}, noise=0.002)
    assert {one.name for one in found.main.contrasts if one.verdict is Verdict.DEPENDS} == set(FACTORS)


def test_a_full_factorial_names_no_alias(tmp_path: Path) -> None:
    terms = {("a",): 0.05, ("a", "b"): 0.05}
    found = design_of(tmp_path / "demo", terms=terms, factors=("a", "b", "c"), resolution=None, noise=0.002)
    assert all(one.aliases == () and "told from" not in one.reason for one in found.main.contrasts)
    assert {one.name: one.verdict for one in found.main.contrasts if one.simple} == dict.fromkeys("ab", Verdict.DEPENDS)


def test_a_design_that_is_not_complete_in_any_seed_has_effects_without_numbers(tmp_path: Path) -> None:
    folder = write_design(tmp_path / "demo", {})
    for path in folder.glob("base-*/result.json"):
        path.unlink()
    (grid,) = study([folder]).grids
    contrasts = [*grid.effects[0].main.contrasts, *grid.effects[0].interactions.contrasts]
    assert len(contrasts) == 15
    assert {(one.interval, one.p, one.verdict) for one in contrasts} == {(None, None, None)}


@pytest.fixture(scope="module")
def committed() -> tuple[GridStudy, ...]:
    return study(SEALED).grids


def test_every_comparison_of_the_committed_grids_has_one_verdict(committed: tuple[GridStudy, ...]) -> None:
    assert len(committed) == len(SEALED) > 5
    for grid in committed:
        contrasts = list(grid.contrasts())
        assert max(Counter(one.key for one in contrasts).values(), default=1) == 1, grid.name
        for one in contrasts:
            assert (one.verdict is None) == (grid.margin is None or one.interval is None)
            assert one.reason and one.sources
            assert grid.contrast(*one.key) is one
            if one.interval is not None and one.interval.low is not None:
                assert -1 <= one.interval.low < one.interval.high <= 1
            if one.verdict in (Verdict.BETTER, Verdict.WORSE):
                assert one.kind != "interaction" and one.p_holm < 0.05
                assert one.interval.low > 0 or one.interval.high < 0
            assert one.verdict is not Verdict.INTERACTS or one.kind == "interaction"
            assert (one.verdict is Verdict.DEPENDS) == bool(one.simple and grid.margin)


def test_a_difference_means_the_same_as_its_family_says(committed: tuple[GridStudy, ...]) -> None:
    for grid in committed:
        for family in grid.families:
            assert [one.p_holm for one in family.contrasts] == holm([one.p for one in family.contrasts])
            assert {(one.family, one.against) for one in family.contrasts} == {(family.name, family.base)}
        arms = {arm.name for arm in grid.arms if not arm.is_base}
        assert grid.base is None or {one.name for one in grid.contrasts() if one.against == grid.base} == arms


def test_accuracies_of_the_committed_grids_stay_inside_0_to_100_percent(committed: tuple[GridStudy, ...]) -> None:
    arms = [arm for grid in committed for arm in (*grid.arms, *grid.others)]
    bounded = [
        interval for arm in arms for interval in (arm.accuracy, arm.value, arm.validation) if interval and interval.half
    ]
    assert bounded and all(0 <= interval.low < interval.high <= 1 for interval in bounded)


def test_windowed_on_digits_depends_on_layer_norm(committed: tuple[GridStudy, ...]) -> None:
    grid = next(grid for grid in committed if grid.name == "fraction_digits")
    windowed = grid.contrast("main", "windowed")
    assert windowed.verdict is Verdict.DEPENDS and windowed.reason.startswith("interacts with layer_norm")
    assert [round(100 * one.interval.mean, 1) for one in windowed.simple] == [-2.8, 13.7]
    assert [one.verdict for one in windowed.simple] == [Verdict.WORSE, Verdict.BETTER]
