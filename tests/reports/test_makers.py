"""Tables 2, 3 and 5 against hand computations on tiny grids, and every number against its sources."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports.makers import MAKERS
from reports.sheet import MISSING
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from reports.definition import Definition, read_definitions
from reports.errors import ReportError
from reports.evidence import gather
from reports.statistics.independent import independent_difference
from reports.statistics.interval import wilson
from tests.reports.makers_help import changed, entry, rows_of, sheets
from tests.reports.synthetic_design import write_design
from tests.reports.synthetic_runs import floors, plan, result, write, write_cell

SCORES = {
    "base": (0.70, 0.71, 0.72),
    "base+a": (0.75, 0.77, 0.76),
    "base+b": (0.701, 0.712, 0.719),
    "placebo": (0.69, 0.72, 0.71),
    "transformer": (0.60, 0.61, 0.62),
}


def one_in(grid: Path, primary: dict[str, Any] | None = None, design: bool = True) -> Path:
    record = plan(list(SCORES), (0, 1, 2))
    if design:
        levels = {"base": [], "base+a": ["a"], "base+b": ["b"]}
        record["designs"] = [{"kind": "one_in", "base": "base", "factors": ["a", "b"], "levels": levels}]
    record["primary"] = primary
    write(grid / "plan.json", record)
    for arm, scores in SCORES.items():
        for seed, score in enumerate(scores):
            write_cell(grid, result(arm, seed, score))
    return grid


MARGIN = {"metric": "accuracy", "margin_points": 1.0}
TABLE2: dict[str, Any] = {"leave_out": ["transformer"]}


def paired(arm: str) -> tuple[float, float, float]:
    """Mean, half the width of the t interval, and p, by hand."""
    differences = np.subtract(SCORES[arm], SCORES["base"])
    mean, error = differences.mean(), differences.std(ddof=1) / math.sqrt(3)
    return mean, stats.t.ppf(0.975, 2) * error, 2 * stats.t.sf(abs(mean / error), 2)


def test_one_factor_against_hand_computation(tmp_path: Path) -> None:
    (sheet,) = sheets("one_factor", one_in(tmp_path / "demo", MARGIN), **TABLE2)
    assert [row[1].text for row in sheet.rows] == ["base", "base+a", "base+b", "base", "placebo"]
    assert sheet.rules == {3}
    rows = rows_of(sheet, "arm")
    adjusted = multipletests([paired(arm)[2] for arm in ("base+a", "base+b")], method="holm")[1]
    for arm, holm, said in (("base+a", adjusted[0], "better"), ("base+b", adjusted[1], "equivalent")):
        mean, half, p = paired(arm)
        row = rows[arm]
        assert [row["difference"], row["difference_low"], row["difference_high"], row["p"], row["p_holm"]] == (
            pytest.approx([mean, mean - half, mean + half, p, holm])
        )
        assert row["verdict"] == said and row["factor"] == arm[-1]
    assert rows["placebo"]["p_holm"] == pytest.approx(paired("placebo")[2]), "a family of its own"
    assert rows["placebo"]["verdict"] == "undecided"
    assert entry(sheet, "arm", "base+a", "difference").text == "+5.00 [+2.52, +7.48]"
    assert entry(sheet, "arm", "base+a", "p_mcnemar").text == MISSING


def test_without_a_margin_there_is_no_verdict(tmp_path: Path) -> None:
    (sheet,) = sheets("one_factor", one_in(tmp_path / "demo", design=False), **TABLE2)
    rows = rows_of(sheet, "arm")
    assert list(rows) == ["base", "base+a", "base+b", "placebo"], "no design: all arms are one family"
    assert {row.get("verdict") for row in rows.values()} == {None}
    assert any("No margin was registered" in note for note in sheet.notes)
    holm = multipletests([paired(arm)[2] for arm in ("base+a", "base+b", "placebo")], method="holm")[1]
    assert [rows[arm]["p_holm"] for arm in ("base+a", "base+b", "placebo")] == pytest.approx(list(holm))


def test_one_out_is_held_against_all(tmp_path: Path) -> None:
    grid = tmp_path / "demo"
    record = plan(["all", "all-a"], (0, 1), base="all")
    levels = {"all": ["a", "b"], "all-a": ["b"]}
    record["designs"] = [{"kind": "one_out", "base": "all", "factors": ["a", "b"], "levels": levels}]
    write(grid / "plan.json", record)
    for arm, scores in (("all", (0.8, 0.82)), ("all-a", (0.7, 0.74))):
        for seed, score in enumerate(scores):
            write_cell(grid, result(arm, seed, score))
    row = rows_of(sheets("one_factor", grid)[0], "arm")["all-a"]
    assert row["factor"] == "a" and row["difference"] == pytest.approx(-0.09)


def predictions(cell: Path, right: list[bool], first: int = 0) -> None:
    labels = np.zeros(len(right), np.int64)
    logits = np.array([[1.0, 0.0] if one else [0.0, 1.0] for one in right], np.float32)
    names = [f"x{first + number:03}" for number in range(len(right))]
    np.savez(cell / "predictions.npz", names=names, labels=labels, logits=logits)


def test_mcnemar_needs_the_predictions_of_all_seeds(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    for seed in range(3):
        predictions(grid / f"base-{seed}", [True] * 4 + [False] * 16)
        predictions(grid / f"base+a-{seed}", [False] + [True] * 13 + [False] * 6)
        predictions(grid / f"placebo-{seed}", [True] * 20, first=7)
    predictions(grid / "base+b-0", [True] * 20)
    (sheet,) = sheets("one_factor", grid, **TABLE2)
    rows = rows_of(sheet, "arm")
    assert rows["base+a"]["p_mcnemar"] == pytest.approx(stats.binomtest(10, 11).pvalue), "10 against 1, each once"
    assert rows["base+b"]["p_mcnemar"] is None
    assert rows["placebo"]["p_mcnemar"] is None and any("placebo left out" in said for said in sheet.warnings)


@pytest.mark.parametrize("cell", ["base+a-1", "base-2", "placebo-0"])
def test_a_run_changes_the_entries_that_list_it_and_no_others(tmp_path: Path, cell: str) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    before = sheets("one_factor", grid, **TABLE2)[0]
    path = grid / cell / "result.json"
    record = json.loads(path.read_text())
    record["metrics"]["test"]["accuracy"] += 0.013
    write(path, record)
    listed = 0
    for old, is_changed in changed(before, sheets("one_factor", grid, **TABLE2)[0]):
        lists = f"demo/{cell}" in old.sources
        assert lists or not is_changed, old
        if lists and {"difference", "p", "accuracy"} & set(old.raw):
            assert is_changed, old
            listed += 1
    assert listed >= 3


def test_missing_runs_are_told_and_never_zero(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    for seed in range(3):
        (grid / f"base+a-{seed}" / "result.json").unlink()
    (grid / "base+b-0" / "result.json").write_text("{")
    (sheet,) = sheets("one_factor", grid, **TABLE2)
    rows = rows_of(sheet, "arm")
    assert rows["base+a"]["accuracy"] is None and rows["base+a"]["difference"] is None and rows["base+a"]["n"] == 0
    assert entry(sheet, "arm", "base+b", "n").text == "2 of 3"
    assert rows["base+b"]["p_holm"] == pytest.approx(rows["base+b"]["p"]), "what is missing is not of the family"
    assert "base+a-0 (INCOMPLETE)" in sheet.warnings[0] and "base+b-0/result.json (UNREADABLE)" in sheet.warnings[0]


def test_two_revisions_are_not_mixed_unless_asked(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    write_cell(grid, result("base+a", 0, 0.99, code_revision="fff0000"))
    (sheet,) = sheets("one_factor", grid, **TABLE2)
    assert rows_of(sheet, "arm")["base+a"]["accuracy"] == pytest.approx((0.77 + 0.76) / 2)
    assert any("demo/base+a-0" in said and "differ" in said for said in sheet.warnings)
    (mixed,) = sheets("one_factor", grid, mix=["code"], **TABLE2)
    assert rows_of(mixed, "arm")["base+a"]["accuracy"] == pytest.approx((0.77 + 0.76 + 0.99) / 3)


def test_effects_without_noise_are_those_planted(tmp_path: Path) -> None:
    terms = {("windowed",): 0.06, ("tied_qkv",): -0.02, ("windowed", "routing"): 0.04}
    sheet, arms = sheets("effects", write_design(tmp_path / "frac", terms, noise=0.0, seed_noise=0.01))
    rows = rows_of(sheet, "effect")
    assert len(rows) == 8 + 7 and sheet.rules == {8}
    for name, row in rows.items():
        assert row["estimate"] == pytest.approx(terms.get(tuple(name.split(" × ")), 0.0), abs=1e-12), name
    aliases = next(row[-1].text for row in sheet.rows if row[0].text == "windowed × routing")
    assert len(aliases.split(", ")) == 3, "28 interactions in 7 groups of 4"
    assert len(arms.rows) == 16
    assert rows_of(arms, "arm")["base"]["windowed"] is False
    assert [row[1].text for row in arms.rows].count("●") == 8


def test_effects_by_hand_with_two_factors(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "full", {("a",): 0.02}, factors=("a", "b"), resolution=None, noise=0.004, draw=3)
    sheet = sheets("effects", grid, order=1)[0]
    values = {(c.arm, c.seed): c.result.metrics.test.accuracy for c in gather([grid]).grids[0].cells if c.result}
    on = [value for (arm, _), value in values.items() if "+a" in str(arm)]
    off = [value for (arm, _), value in values.items() if "+a" not in str(arm)]
    row = rows_of(sheet, "effect")["a"]
    assert row["estimate"] == pytest.approx(np.mean(on) - np.mean(off))
    assert row["verdict"] == ("better" if row["estimate_low"] > 0 else "undecided")
    assert set(entry(sheet, "effect", "a", "estimate").sources) == {f"full/{arm}-{seed}" for arm, seed in values}
    assert "Full factorial: nothing is aliased." in sheet.notes


def test_effects_of_one_seed_have_no_interval(tmp_path: Path) -> None:
    sheet = sheets("effects", write_design(tmp_path / "frac", {("windowed",): 0.05}, seeds=(0,)))[0]
    row = rows_of(sheet, "effect")["windowed"]
    assert row["estimate_low"] is None and row["verdict"] == "undecided"
    assert any("no interval and no power" in note for note in sheet.notes)


def test_peers_stand_beside_the_best_floor_of_their_data(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo")
    rows = floors("majority class", accuracy=0.2)["floors"] + floors("NB-SVM", accuracy=0.5)["floors"]
    oracle = {**rows[0], "name": "oracle", "kind": "ceiling", "accuracy": 0.9}
    write(grid / "floors.json", {**floors(), "floors": [oracle, *rows]})
    (sheet,) = sheets("peers", grid, peers=["transformer"], ours=["base"])
    assert [row[1].text for row in sheet.rows] == ["base", "transformer", "majority class", "NB-SVM", "oracle"]
    row = rows_of(sheet, "arm")["transformer"]
    half = stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(3)
    low, high = stats.binomtest(1000, 2000).proportion_ci(0.95, method="wilson")
    assert row["difference"] == pytest.approx(0.11)
    assert row["difference_low"] == pytest.approx(0.11 - math.hypot(half, high - 0.5))
    assert row["difference_high"] == pytest.approx(0.11 + math.hypot(half, 0.5 - low))
    assert set(entry(sheet, "arm", "transformer", "difference").sources) == {
        "demo/floors.json", *(f"demo/transformer-{seed}" for seed in range(3))
    }  # fmt: skip
    write(grid / "floors.json", {**floors(), "data_key": "other", "floors": rows})
    (apart,) = sheets("peers", grid, peers=["transformer"], ours=["base"])
    assert rows_of(apart, "arm")["transformer"]["difference"] is None, "floors of other data do not count"


def test_the_best_arm_is_chosen_on_the_validation_split(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "frac", {("windowed",): 0.05}, noise=0.0)
    chosen = "base+multi_head+routing+tied_qkv+pyramid"
    for seed in range(3):
        path = grid / f"{chosen}-{seed}" / "result.json"
        record = json.loads(path.read_text())
        record["metrics"]["validation"]["accuracy"] = 0.99
        write(path, record)
    (sheet,) = sheets("peers", grid, peers=["transformer"], ours=["original"])
    assert [(row[1].text, row[2].text) for row in sheet.rows] == [(chosen, "best of 16 by validation")]


def test_independent_difference_of_shares_is_newcombes() -> None:
    found = independent_difference(wilson(0.56, 100), wilson(0.40, 80))
    expected = confint_proportions_2indep(56, 100, 32, 80, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx(expected)


def test_nothing_to_show_is_no_sheet(tmp_path: Path) -> None:
    grid = tmp_path / "demo"
    write_cell(grid, result("some", 0, 0.5))
    assert sheets("one_factor", grid) == sheets("effects", grid) == []
    assert sheets("peers", grid, peers=["transformer"], ours=["base"]) == []


@pytest.mark.parametrize("kind", ["one_factor", "effects", "peers", "cost", "published", "claims"])
def test_unknown_options_are_refused(tmp_path: Path, kind: str) -> None:
    grid = one_in(tmp_path / "demo")
    with pytest.raises(ReportError, match=r"t\.yaml: .*options\.colour"):
        sheets(kind, grid, colour="red")


def test_every_definition_makes_sheets_that_renderers_can_take(tmp_path: Path) -> None:
    evidence = gather([one_in(tmp_path / "demo", MARGIN), write_design(tmp_path / "frac", {("windowed",): 0.05})])
    definitions: list[Definition] = [each for each in read_definitions() if each.table in MAKERS]
    assert {each.name for each in definitions} >= {"table1", "table2", "table3", "table4", "table5", "table6"}
    made = [sheet for each in definitions for sheet in MAKERS[str(each.table)](evidence, each)]
    assert len({sheet.name for sheet in made}) == len(made) == 10
    for sheet in made:
        assert sheet.rows and all(note for note in sheet.notes)
        for row in sheet.rows:
            keys = [key for each in row for key in each.raw]
            assert len(set(keys)) == len(keys), (sheet.name, keys)
