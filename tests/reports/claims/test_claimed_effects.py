"""Verdicts of grids → the ruling on a claim: every pair of words, written out here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports.claims.judgement import Ruling
from reports.claims.rules import effects
from reports.statistics.power import detectable_difference, needed_seeds
from reports.statistics.verdict import Verdict
from reports.study.contrasts import Contrast
from reports.study.model import GridStudy
from reports.study.registration import Followed
from tests.reports.claims.synthetic_study import arm, contrast, grid, judged, study

BETTER, WORSE, SAME, OPEN, DEPENDS = (
    Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT, Verdict.UNDECIDED, Verdict.DEPENDS
)  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "claimed", "expected"),
    [
        ([BETTER], "better", Ruling.CONFIRMED),
        ([BETTER, BETTER], "better", Ruling.CONFIRMED),
        ([WORSE, SAME], "better", Ruling.REFUTED),
        ([SAME], "better", Ruling.REFUTED),
        ([BETTER, WORSE], "better", Ruling.NOT_CONFIRMED),
        ([BETTER, OPEN], "better", Ruling.NOT_CONFIRMED),
        ([BETTER, DEPENDS], "better", Ruling.NOT_CONFIRMED),
        ([DEPENDS], "better", Ruling.NOT_CONFIRMED),
        ([BETTER, None], "better", Ruling.NOT_CONFIRMED),
        ([WORSE, OPEN], "better", Ruling.NOT_CONFIRMED),
        ([SAME, BETTER], "maintained", Ruling.CONFIRMED),
        ([WORSE, WORSE], "maintained", Ruling.REFUTED),
        ([SAME, WORSE], "maintained", Ruling.NOT_CONFIRMED),
        ([SAME, OPEN], "maintained", Ruling.NOT_CONFIRMED),
        ([DEPENDS, WORSE], "maintained", Ruling.NOT_CONFIRMED),
    ],
)
def test_the_ruling_over_grids(verdicts: list[Verdict | None], claimed: str, expected: Ruling) -> None:
    grids = [grid(f"grid{number}", contrast("windowed", verdict)) for number, verdict in enumerate(verdicts)]
    found = judged({"rule": "effect", "factor": "windowed", "claimed": claimed}, study(*grids))
    assert found.verdict is expected
    assert all(str(verdict or "no verdict") in found.measured for verdict in verdicts)
    assert len(found.measured.split()) <= 12 and found.sources == ("grid/windowed-s0",)


def test_the_study_alone_says_what_an_effect_is() -> None:
    """An interval far off zero with a p value below 0.05 is as good as nothing where the study says undecided."""
    found = judged({"rule": "effect", "factor": "windowed"}, study(grid("demo", contrast("windowed", OPEN))))
    assert found.verdict is Ruling.NOT_CONFIRMED and found.measured == "undecided: demo"
    assert "demo: +2.00 [+1.00, +3.00] points, p Holm 0.020, undecided" in found.figures


def test_a_factor_of_the_same_claim_counts_where_it_is_named() -> None:
    both = study(grid("one", contrast("routing", BETTER)), grid("two", contrast("routing_released", SAME)))
    assert judged({"rule": "effect", "factor": "routing"}, both).measured == "better: one"
    found = judged({"rule": "effect", "factor": "routing", "also": ["routing_released"]}, both)
    assert found.measured == "better: one, routing; equivalent: two, routing_released"
    assert found.verdict is Ruling.NOT_CONFIRMED


def test_an_effect_that_depends_is_told_by_its_simple_effects() -> None:
    simple = (contrast("windowed without layer_norm", BETTER), contrast("windowed with layer_norm", SAME))
    main = contrast("windowed", DEPENDS, reason="interacts with layer_norm", simple=simple)
    found = judged({"rule": "effect", "factor": "windowed"}, study(grid("demo", main)))
    assert found.verdict is Ruling.NOT_CONFIRMED and "depends, interacts with layer_norm (" in found.figures
    assert "windowed without layer_norm +2.00 [+1.00, +3.00] points, p Holm 0.020, better;" in found.figures


def test_many_grids_are_counted() -> None:
    grids = [grid(f"grid{number}", contrast("windowed", BETTER if number else OPEN)) for number in range(14)]
    found = judged({"rule": "effect", "factor": "windowed"}, study(*grids))
    assert found.measured == "undecided in 1, better in 13 of 14 grids"


def test_without_a_design_nothing_is_tested() -> None:
    others = study(grid("plain"), grid("demo", contrast("pyramid", BETTER)))
    found = judged({"rule": "effect", "factor": "windowed"}, others)
    assert found.verdict is Ruling.UNTESTABLE and not found.figures and not found.sources


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What the study was asked to compare; it finds every arm better."""
    asked: list[tuple[str, str, str]] = []

    def versus(of: GridStudy, name: str, control: str) -> Contrast:
        asked.append((of.name, name, control))
        return contrast(name, BETTER)

    monkeypatch.setattr(effects, "versus", versus)
    return asked


def test_an_arm_is_held_against_its_control_where_both_have_a_seed(compared: list[tuple[str, str, str]]) -> None:
    both = (arm("ours", {0: 0.7, 1: 0.7}), arm("control", {1: 0.6}))
    apart = (arm("ours", {0: 0.7}), arm("control", {1: 0.6}))
    grids = study(grid("both", arms=both), grid("apart", arms=apart), grid("alone", arms=both[:1]))
    rule = {"rule": "versus", "arm": "ours", "control": "control"}
    assert judged(rule, grids).verdict is Ruling.CONFIRMED and compared == [("both", "ours", "control")]
    assert judged({**rule, "control": "nothing"}, grids).verdict is Ruling.UNTESTABLE


def test_the_same_comparison_around_another_base_counts_too(compared: list[tuple[str, str, str]]) -> None:
    arms = [arm(name, {0: 0.7}) for name in ("ours", "control", "placed+ours", "placed+control")]
    grids = study(grid("both", arms=tuple(arms)), grid("placed", arms=tuple(arms[2:])), grid("half", arms=(arms[2],)))
    around = {"rule": "versus", "arm": "ours", "control": "control", "around": [["placed+ours", "placed+control"]]}
    assert judged(around, grids).verdict is Ruling.CONFIRMED
    assert compared == [
        ("both", "ours", "control"), ("both", "placed+ours", "placed+control"),
        ("placed", "placed+ours", "placed+control"),
    ]  # fmt: skip


def test_an_arm_of_a_design_is_known_by_its_factors(compared: list[tuple[str, str, str]]) -> None:
    effects_of = [contrast(name, OPEN) for name in ("windowed", "gumbel")]
    arms = (arm("base+all", {0: 0.7}), arm("base", {0: 0.6}))
    rule = {"rule": "versus", "arm": "enhanced", "control": "base", "factors": ["gumbel", "windowed"]}
    judged(rule, study(grid("fraction", *effects_of, arms=arms)))
    judged({**rule, "factors": ["gumbel"]}, study(grid("other", *effects_of, arms=arms)))
    judged(rule, study(grid("named", *effects_of, arms=(*arms, arm("enhanced", {0: 0.8})))))
    assert compared == [("fraction", "base+all", "base"), ("named", "enhanced", "base")]


def test_an_arm_of_a_design_is_held_against_the_base_of_the_design(compared: list[tuple[str, str, str]]) -> None:
    """Whatever that base is, and with a factor that stands for another one."""
    arms = (arm("base+all", {0: 0.7}), arm("base+shift_residual", {0: 0.6}), arm("base", {0: 0.5}))
    levels = {"base+shift_residual": (), "base+one": ("windowed",), "base+all": ("windowed", "routing_released")}
    plain = grid("fraction", contrast("windowed", OPEN), contrast("routing_released", OPEN), arms=arms)
    fraction = replace(plain, effects=(replace(plain.effects[0], levels=levels),))
    rule = {"rule": "versus", "arm": "enhanced", "control": "base", "factors": ["routing", "windowed"]}
    assert judged(rule, study(fraction)).verdict is Ruling.UNTESTABLE
    instead = {**rule, "instead": {"routing": "routing_released"}}
    judged(instead, study(fraction))
    assert compared == [("fraction", "base+all", "base+shift_residual")]
    released = arm("enhanced-routing+routing_released", {0: 0.7})
    judged(instead, study(grid("plain", arms=(released, arm("base", {0: 0.6})))))
    assert compared[1:] == [("plain", "enhanced-routing+routing_released", "base")]


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([BETTER], "a further registered grid in which it is not better"),
        ([WORSE, SAME], "a further registered grid in which it is not worse or equivalent"),
        ([BETTER, WORSE, OPEN], "no further grid, as it is better in some and worse or equivalent in others: only a "
         "claim that says where"),
        ([BETTER, DEPENDS], "confirmed, were it better in all the others too; grid1: it depends on other factors, so "
         "that the claim would have to say with or without which"),
        ([WORSE, None], "refuted, were it worse or equivalent in all the others too; grid1: a margin that is "
         "registered before the runs, and kept"),
        ([OPEN, OPEN], "confirmed, were it better in every grid; refuted, were it worse or equivalent in every one; "
         "grid0, grid1: two seeds or more that differ"),
    ],
)  # fmt: skip
def test_what_would_change_the_verdict(verdicts: list[Verdict | None], expected: str) -> None:
    grids = [grid(f"grid{number}", contrast("windowed", verdict)) for number, verdict in enumerate(verdicts)]
    assert judged({"rule": "effect", "factor": "windowed"}, study(*grids)).settles == expected


def test_an_undecided_grid_says_how_many_seeds_it_needs() -> None:
    shown = replace(contrast("windowed", OPEN), n=4, tests=1, error=0.02)
    found = judged({"rule": "effect", "factor": "windowed"}, study(grid("demo", shown)))
    needed = needed_seeds(0.02, 4, 1, 0.01)
    assert needed is not None and f"demo: about {needed} seeds in place of 4, to find a difference" in found.settles
    assert f"smallest found {100 * detectable_difference(0.02, 4):.2f}" in found.figures


def test_a_grid_that_was_not_registered_is_named_and_decides_nothing() -> None:
    said = Followed("", unregistered="registered after 2 of 2 runs")
    late = grid("late", contrast("windowed", None), margin=None, followed=said)
    found = judged({"rule": "effect", "factor": "windowed"}, study(late))
    assert found.verdict is Ruling.NOT_CONFIRMED and found.measured == "no verdict: late"
    assert "late decides nothing: registered after 2 of 2 runs" in found.why
