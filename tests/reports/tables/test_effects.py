"""Effects of factorial designs: estimates by hand, simple effects below a main effect that depends, aliases."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from reports.study.build import study
from tests.reports.synthetic_design import write_design
from tests.reports.synthetic_runs import write_registered
from tests.reports.tables.made_tables import entry, rows_of, ruled, tables, texts


def test_effects_without_noise_are_those_planted(tmp_path: Path) -> None:
    terms = {("windowed",): 0.06, ("tied_qkv",): -0.02}
    table, arms = tables("effects", write_design(tmp_path / "frac", terms, noise=0.0, seed_noise=0.01))
    rows = rows_of(table, "effect")
    assert len(table.rows) == 8 + 7 and ruled(table) == [0, 8]
    for name, row in rows.items():
        assert row["estimate"] == pytest.approx(terms.get(tuple(name.split(" × ")), 0.0), abs=1e-12), name
    pair = next(row for row in table.rows if row.entries[0].text == "windowed × routing")
    assert pair.entries[-1].text == "3 terms", "28 interactions in 7 groups of 4"
    (detail,) = pair.detail
    assert all(alias in detail for alias in str(pair.entries[-1].raw["aliases"]).split(", "))
    assert len(arms.rows) == 16 and texts(arms, 1).count("●") == 8
    assert rows_of(arms, "arm")["base"]["windowed"] is False
    assert [any(note.startswith("Verdict: ") for note in made.notes) for made in (table, arms)] == [True, False]


def test_effects_by_hand_with_two_factors(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "full", {("a",): 0.02}, factors=("a", "b"), resolution=None, noise=0.004, draw=3)
    table = tables("effects", grid, order=1)[0]
    runs = study([grid]).runs
    on = runs["arm"].str.contains(r"\+a")
    row = rows_of(table, "effect")["a"]
    assert row["estimate"] == pytest.approx(runs["accuracy"][on].mean() - runs["accuracy"][~on].mean())
    assert texts(table, 0) == ["a", "b"], "order 1 has no interactions"
    assert set(entry(table, "effect", "a", "estimate").sources) == set(runs["where"])
    assert "Full factorial: nothing is aliased." in table.notes


def test_simple_effects_stand_below_a_main_effect_that_depends(tmp_path: Path) -> None:
    terms = {("a",): 0.1, ("a", "b"): 0.1}
    grid = write_design(tmp_path / "full", terms, factors=("a", "b"), resolution=None, noise=0.001, seed_noise=0.002)
    table, _ = tables("effects", grid)
    assert texts(table, 0)[:3] == ["a", "↳ a without b", "↳ a with b"]
    rows = rows_of(table, "effect")
    assert (rows["a"]["verdict"], rows["a × b"]["verdict"], rows["a with b"]["verdict"]) == (
        "depends", "interacts", "better",
    )  # fmt: skip
    assert rows["a without b"]["estimate"] == pytest.approx(0, abs=0.005)
    assert rows["a with b"]["estimate"] == pytest.approx(0.2, abs=0.005)


def test_what_an_interaction_and_a_simple_effect_must_have_to_be_found_is_said(tmp_path: Path) -> None:
    terms, seeds = {("a",): 0.1, ("a", "b"): 0.1}, (0, 1, 2, 3)
    grid = write_design(tmp_path / "full", terms, factors=("a", "b"), resolution=None, noise=0.004, seeds=seeds)
    table = tables("effects", grid)[0]
    runs = study([grid]).runs.set_index("seed")
    on = {name: runs["arm"].str.contains(rf"\+{name}") for name in "ab"}

    def mean(a: bool, b: bool) -> pd.Series:
        return runs["accuracy"][(on["a"] == a) & (on["b"] == b)]

    def found(by_seed: pd.Series, tests: int) -> str:
        points = TTestPower().solve_power(nobs=4, power=0.8, alpha=0.05 / tests, alternative="two-sided")
        return f"{100 * points * by_seed.std():.2f}"

    both = (mean(True, True) + mean(False, False) - mean(True, False) - mean(False, True)) / 2
    effects = [
        mean(True, True) - mean(False, True), mean(True, False) - mean(False, False),
        mean(True, True) - mean(True, False), mean(False, True) - mean(False, False),
    ]  # fmt: skip
    simple = sorted(float(found(one, 4)) for one in effects)
    (note,) = [note for note in table.notes if note.startswith("Found with")]
    assert note == (
        f"Found with 80 % power: an interaction of {found(both, 1)} points, after the correction over 1; a simple "
        f"effect of {simple[0]:.2f} to {simple[-1]:.2f} points, after the correction over 4."
    )


def collapse(grid: Path, arm: str) -> Path:
    """Its runs are 0.4 worse."""
    for path in grid.glob(f"{arm}-*/result.json"):
        result = json.loads(path.read_text())
        result["metrics"]["test"]["accuracy"] -= 0.4
        path.write_text(json.dumps(result))
    return grid


def test_effects_without_an_arm_that_collapsed_stand_beside_those_with_it(tmp_path: Path) -> None:
    terms, four = {("a",): 0.04, ("a", "b"): 0.04}, ("a", "b", "c", "d")
    quiet = {"noise": 0.0005, "seed_noise": 0.002}
    whole = write_design(tmp_path / "whole", terms, factors=four, resolution=None, **quiet)
    assert "without arms far out" not in [column.head for column in tables("effects", whole)[0].columns]
    table, _ = tables("effects", collapse(whole, "base+a+c"))
    assert [column.head for column in table.columns][1:3] == ["on test accuracy, points", "without arms far out"]
    rows = rows_of(table, "effect")
    assert {"a without b", "a with b"} <= rows.keys()
    for name, row in rows.items():
        truth = {"a without b": 0.0, "a with b": 0.08}.get(name, terms.get(tuple(name.split(" × ")), 0.0))
        if "with" not in name or name in ("a without b", "a with b"):
            assert row["over_others"] == pytest.approx(truth, abs=0.002), name
            moved = abs(row["estimate"] - row["over_others"])
            assert moved < 1e-9 if name == "a with b" else moved > 0.04, "the arm has no b"
    (note,) = (note for note in table.notes if note.startswith("Far out"))
    assert "base+a+c (30.0" in note and "least squares over the other 15 arms, with the same effects" in note
    frac = collapse(write_design(tmp_path / "frac", {}, noise=0.001), "base")
    table = tables("effects", frac)[0]
    assert "without arms far out" not in [column.head for column in table.columns]
    assert any("the other 15 arms cannot tell the effects apart" in note for note in table.notes), "of as many effects"


def test_runs_of_a_seed_that_lacks_an_arm_are_no_source(tmp_path: Path) -> None:
    """Effects are of the seeds that every arm has, so a seed that is only begun is in none of them."""
    terms = {("a",): 0.1, ("a", "b"): 0.1}
    grid = write_design(tmp_path / "full", terms, factors=("a", "b"), resolution=None, noise=0.001)
    (unfinished,) = grid.glob("base+a+b-*2/result.json")
    unfinished.unlink()
    runs = study([grid]).runs
    common = set(runs["where"][runs["seed"] < 2])
    table, _ = tables("effects", grid)
    for effect in ("a", "↳ a with b", "a × b"):
        row = next(row for row in table.rows if row.entries[0].text == effect)
        assert set(row.entries[1].sources) == common, effect


def test_effects_of_one_seed_have_no_interval(tmp_path: Path) -> None:
    table = tables("effects", write_design(tmp_path / "frac", {("windowed",): 0.05}, seeds=(0,)))[0]
    row = rows_of(table, "effect")["windowed"]
    assert row["estimate_low"] is None and row["verdict"] == "undecided"
    assert any("no interval and no power" in note for note in table.notes)


def test_every_verdict_is_the_studys_own(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "frac", {("windowed",): 0.03, ("gumbel",): -0.05})
    (seen,), (table, _) = study([grid]).grids, tables("effects", grid)
    said = {(row.entries[0].raw["kind"], row.entries[0].raw["effect"]): row.entries[4].text for row in table.rows}
    assert said == {(one.kind, one.name): one.verdict for one in seen.contrasts() if one.kind != "difference"}
    assert np.all([len(row.entries[1].text) <= 40 for row in table.rows])


def test_an_overview_has_every_effect_of_every_task(tmp_path: Path) -> None:
    first = write_design(tmp_path / "one", {("a",): 0.05}, factors=("a", "b"), resolution=None, noise=0.001)
    other = write_design(tmp_path / "two", {}, factors=("b", "c"), resolution=None, noise=0.001, seeds=(0, 1), draw=1)
    (table,) = tables("overview", first, other)
    effects = {grid: rows_of(tables("effects", grid, order=1)[0], "effect") for grid in (first, other)}
    assert texts(table, 0) == ["a", "b", "c", "registered margin", "smallest effect found with 80 % power",
                                "seeds with every arm"]  # fmt: skip
    heads = ["listops (one)", "listops (two)"]
    assert [column.head for column in table.columns[1:]] == [f"{head}, points" for head in heads]
    rows = rows_of(table, "factor")
    for grid, head in zip((first, other), heads, strict=True):
        for factor, effect in effects[grid].items():
            assert rows[factor][f"{head} estimate"] == effect["estimate"]
            assert rows[factor][f"{head} verdict"] == effect["verdict"]
    assert entry(table, "factor", "a", f"{heads[0]} estimate").text.endswith("] better")
    assert entry(table, "factor", "c", f"{heads[0]} estimate").text == ""
    least, most = map(float, texts(table, 2)[-2].split(" to "))
    assert texts(table, 2)[-3::2] == ["±0.30", "2"] and 0.1 < least < most
    made_of = [set(row.entries[2].sources) for row in table.rows[-3:]]
    assert made_of[0] == {"two/plan.json"} and made_of[1] == made_of[2] != set()
    assert all(source.startswith("two/") and source[-1] in "01" for source in made_of[1]), "runs, of two seeds"


def test_two_designs_of_a_grid_are_told_apart(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "one", {("a",): 0.05}, factors=("a", "b"), resolution=None)
    plan = json.loads((grid / "plan.json").read_text())
    write_registered(grid, {**plan, "designs": [*plan["designs"], *plan["designs"]]})
    made = tables("effects", grid)
    assert len({table.name for table in made}) == len({table.title for table in made}) == 4
    assert made[2].title.endswith(", design 2")
    (table,) = tables("overview", grid)
    assert [column.head for column in table.columns[1:]] == [
        f"listops (one, design {number}), points" for number in (1, 2)
    ]  # fmt: skip


def test_an_overview_names_the_metric_of_each_grid(tmp_path: Path) -> None:
    one, two = (write_design(tmp_path / name, {}, factors=("a", "b"), resolution=None) for name in ("one", "two"))
    assert tables("overview", one, two)[0].title == "Title: on test accuracy"
    plan = json.loads((two / "plan.json").read_text())
    write_registered(two, {**plan, "primary": {"metric": "f1", "margin_points": 0.3}})
    (table,) = tables("overview", one, two)
    assert table.title == "Title: on test accuracy and test F1"
    assert [column.head for column in table.columns[1:]] == [
        "listops (one), points of test accuracy", "listops (two), points of test F1",
    ]  # fmt: skip
