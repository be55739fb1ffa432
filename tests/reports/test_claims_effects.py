"""Rulings on accuracy: synthetic fractions with known effects, alone and in several tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.claims.decide import BeatsControl, Claimed, Effect
from reports.claims.effects import Said, beats_control, effect, ruling
from reports.claims.finding import Context, Finding, Ruling
from reports.claims.scale import scale_notes
from reports.evidence import gather
from reports.published import read_published
from reports.statistics.interval import Interval
from reports.statistics.verdict import Verdict
from reports.view import View
from tests.reports.synthetic_design import Terms, write_design
from tests.reports.synthetic_runs import write_grid

FACTORS = ("windowed", "gumbel", "pyramid", "tied_qkv")
BETTER, WORSE, SAME = 0.05, -0.05, 0.0


def context(folder: Path, *grids: Path) -> Context:
    return Context(gather(grids), read_published(), folder)


def fraction(
    folder: Path, name: str, terms: Terms, *, noise: float = 0.001, margin_points: float = 1.0, draw: int = 0
) -> Path:
    return write_design(
        folder / name, terms, factors=FACTORS, seeds=(0, 1), noise=noise, margin_points=margin_points, resolution=None,
        draw=draw,
    )  # fmt: skip


def found(folder: Path, effects: tuple[float, ...], claimed: Claimed) -> Finding:
    """On a grid for each of these effects of ``windowed``."""
    grids = [fraction(folder, f"task{number}", {("windowed",): size}) for number, size in enumerate(effects)]
    return effect(context(folder, *grids), Effect(rule="effect", factor="windowed", claimed=claimed))


@pytest.mark.parametrize(
    ("effects", "claimed", "expected"),
    [
        ((BETTER,), "better", Ruling.CONFIRMED),
        ((BETTER, BETTER), "better", Ruling.CONFIRMED),
        ((WORSE, WORSE), "better", Ruling.REFUTED),
        ((SAME,), "better", Ruling.REFUTED),
        ((SAME, WORSE), "better", Ruling.REFUTED),
        ((BETTER, WORSE), "better", Ruling.NOT_CONFIRMED),
        ((BETTER, SAME), "better", Ruling.NOT_CONFIRMED),
        ((SAME, SAME), "maintained", Ruling.CONFIRMED),
        ((SAME, BETTER), "maintained", Ruling.CONFIRMED),
        ((WORSE, WORSE), "maintained", Ruling.REFUTED),
        ((SAME, WORSE), "maintained", Ruling.NOT_CONFIRMED),
    ],
)
def test_the_rule_over_tasks(tmp_path: Path, effects: tuple[float, ...], claimed: Claimed, expected: Ruling) -> None:
    finding = found(tmp_path, effects, claimed)
    assert finding.ruling is expected, finding
    assert len(finding.sources) == 32 * len(effects) and all(
        f"task{i}:" in finding.figures for i in range(len(effects))
    )


@pytest.mark.slow
@pytest.mark.parametrize("claimed", ["better", "maintained"])
def test_noise_leaves_it_undecided(tmp_path: Path, claimed: Claimed) -> None:
    """Over draws: a null effect is called off zero at most 5 % of the time, so in 12 draws hardly more than twice."""
    rule = Effect(rule="effect", factor="windowed", claimed=claimed)
    findings = [
        effect(context(tmp_path, fraction(tmp_path, f"task{draw}", {}, noise=0.1, draw=draw)), rule)
        for draw in range(12)
    ]
    said = [finding.ruling for finding in findings]
    assert said.count(Ruling.NOT_CONFIRMED) >= 10 and Ruling.CONFIRMED not in said, said


def test_without_a_fraction_nothing_is_tested(tmp_path: Path) -> None:
    plain = write_grid(tmp_path / "plain", {"base": {0: 0.7, 1: 0.71}, "base+windowed": {0: 0.8, 1: 0.81}})
    other = fraction(tmp_path, "other", {})
    rule = Effect(rule="effect", factor="windowed")
    assert effect(context(tmp_path, plain), rule).ruling is Ruling.UNTESTABLE
    missing = effect(context(tmp_path, other), Effect(rule="effect", factor="routing"))
    assert missing.ruling is Ruling.UNTESTABLE and not missing.figures and not missing.sources
    for result in other.glob("*/result.json"):
        result.unlink()
    assert effect(context(tmp_path, other), rule).ruling is Ruling.UNTESTABLE, "planned runs are no evidence"


def view_with(tmp_path: Path, margin_points: float) -> View:
    (seen,) = context(tmp_path, fraction(tmp_path, "demo", {}, margin_points=margin_points)).views
    return seen


def test_holm_and_the_margin_decide_what_is_said(tmp_path: Path) -> None:
    seen = view_with(tmp_path, margin_points=1.0)
    off_zero, small = Interval(0.02, 0.005, 0.035, 16), Interval(0.004, 0.001, 0.007, 16)
    assert Said(seen, off_zero, 0.01, ()).verdict is Verdict.BETTER
    assert Said(seen, off_zero, 0.08, ()).verdict is Verdict.UNDECIDED, "not after Holm's correction"
    assert Said(seen, off_zero, None, ()).verdict is Verdict.UNDECIDED
    assert Said(seen, small, 0.001, ()).verdict is Verdict.EQUIVALENT, "real, and too small to matter"
    assert Said(seen, Interval(0.02, None, None, 1), None, ()).verdict is Verdict.UNDECIDED


def test_a_loss_within_the_margin_keeps_the_accuracy(tmp_path: Path) -> None:
    seen = view_with(tmp_path, margin_points=1.0)
    kept, open_loss = Interval(0.03, -0.009, 0.069, 16), Interval(0.03, -0.011, 0.071, 16)
    assert ruling([Said(seen, kept, 0.3, ())], "maintained") is Ruling.CONFIRMED
    assert ruling([Said(seen, open_loss, 0.3, ())], "maintained") is Ruling.NOT_CONFIRMED


def test_an_arm_is_held_against_its_control_seed_by_seed(tmp_path: Path) -> None:
    by_seed = {"control": {0: 0.60, 1: 0.70, 2: 0.80}, "arm": {0: 0.65, 1: 0.752, 2: 0.851}}
    grid = write_grid(tmp_path / "demo", {"base": {0: 0.5}, **by_seed}, seeds=(0, 1, 2))
    seen = context(tmp_path, grid)
    finding = beats_control(seen, BeatsControl(rule="beats_control", arm="arm", control="control"))
    # Differences 5.0, 5.2, 5.1 points: mean 5.1, half width 4.303 × 0.1 / √3 = 0.25.
    assert finding.ruling is Ruling.CONFIRMED and "+5.10 [+4.85, +5.35]" in finding.figures
    assert len(finding.sources) == 6 and "no margin planned" in finding.why
    lost = beats_control(seen, BeatsControl(rule="beats_control", arm="control", control="arm"))
    assert lost.ruling is Ruling.REFUTED
    alone = beats_control(seen, BeatsControl(rule="beats_control", arm="arm", control="absent"))
    assert alone.ruling is Ruling.UNTESTABLE


def test_an_arm_of_a_design_is_known_by_its_factors(tmp_path: Path) -> None:
    grid = fraction(tmp_path, "demo", {(factor,): 0.02 for factor in FACTORS}, noise=0.0001)
    rule = {"rule": "beats_control", "arm": "enhanced", "control": "base"}
    named = beats_control(context(tmp_path, grid), BeatsControl.model_validate({**rule, "factors": FACTORS}))
    # All four on less all four off: four effects of two points each.
    assert named.ruling is Ruling.CONFIRMED and "+8.0" in named.figures
    assert {source.rsplit("-", 1)[0] for source in named.sources} == {"demo/base", "demo/base+" + "+".join(FACTORS)}
    assert beats_control(context(tmp_path, grid), BeatsControl.model_validate(rule)).ruling is Ruling.UNTESTABLE


def test_the_scale_of_the_runs_is_said(tmp_path: Path) -> None:
    seen = context(tmp_path, fraction(tmp_path, "demo", {}))
    (note,) = scale_notes(seen)
    assert "demo (task listops, 32 runs)" in note and "were not tested" in note
    plain = write_grid(tmp_path / "plain", {"base": {0: 0.7}})
    assert scale_notes(context(tmp_path, plain))[0].startswith("No factorial")
