"""The table of other tasks: means, changes and differences worked out by hand, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from reports.render import MISSING, Table
from reports.statistics.power import detectable_difference
from swarmformer.records import FLOORS, RESULT, Floors, Result, load, opened, seal
from tests.reports import synthetic_runs as runs
from tests.reports.tables.made_tables import rows_of, tables, texts

OWN = {"base": (0.70, 0.72, 0.74), "a": (0.75, 0.75, 0.78), "b": (0.60, 0.61, 0.62)}
THERE = {"base": (0.60, 0.63, 0.61), "a": (0.62, 0.64, 0.65), "b": (0.55, None, None)}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    runs.write(folder / "plan.json", runs.plan(list(OWN), (0, 1, 2)))
    for arm, scores in OWN.items():
        for seed, (own, there) in enumerate(zip(scores, THERE[arm], strict=True)):
            asked = {} if there is None else {"plots": {**runs.metrics(there, 500), "data_key": "k"}}
            runs.write_cell(folder, runs.result(arm, seed, own, out_of_domain=asked))
    rows = runs.floors("NB-SVM", accuracy=0.66)
    there = {"data_key": "k", "copies": 7, "floors": [{**rows["floors"][0], "accuracy": 0.58, "n": 500}]}
    runs.write(folder / "floors.json", {**rows, "out_of_domain": {"plots": there}})
    return folder


@pytest.fixture
def table(grid: Path) -> Table:
    (made,) = tables("out_of_domain", grid)
    return made


def paired(first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, float, float]:
    """Mean and 95 % interval of differences within a seed, as scipy has them."""
    differences = np.array(first) - np.array(second)
    low, high = stats.t.interval(0.95, len(differences) - 1, differences.mean(), stats.sem(differences))
    return float(differences.mean()), float(low), float(high)


def test_means_changes_and_differences(table: Table) -> None:
    rows = rows_of(table, "name")
    assert rows["a"]["own_accuracy"] == pytest.approx(np.mean(OWN["a"]))
    assert rows["a"]["accuracy"] == pytest.approx(np.mean(THERE["a"]))
    a, base = (0.62, 0.64, 0.65), (0.60, 0.63, 0.61)
    for key, expected in (("change", paired(a, OWN["a"])), ("difference", paired(a, base))):
        assert [rows["a"][f"{key}{end}"] for end in ("", "_low", "_high")] == pytest.approx(expected)
    assert rows["a"]["p_holm"] == pytest.approx(float(stats.ttest_rel(a, base).pvalue))  # b has one seed: no p
    assert "difference" not in rows["base"] and rows["base"]["is_base"]
    assert rows["NB-SVM"]["accuracy"] == 0.58 and rows["NB-SVM"]["own_accuracy"] == 0.66


def test_what_could_have_been_found_stands_below(table: Table) -> None:
    """Of a alone, as b has one seed there: no correction."""
    error = float(stats.sem(np.array((0.62, 0.64, 0.65)) - np.array((0.60, 0.63, 0.61))))
    found = f"{100 * detectable_difference(error, 3):.2f}"
    assert f"Power: with 3 seeds a true difference of {found} points is found with 80 % power." in table.notes


def test_what_was_not_asked_is_said(table: Table) -> None:
    rows = rows_of(table, "name")
    assert [rows[arm]["n"] for arm in ("base", "a", "b")] == [3, 3, 1]
    notes = " ".join(table.notes)
    assert "Not asked in every run: b (1 of 3)" in notes
    assert "Test texts of plots that also stand in the source's train, after normalisation: 7." in notes
    assert texts(table, 2)[2] == "55.00 (no interval)" and texts(table, 5)[2] == MISSING


def test_answers_to_other_texts_of_one_name_are_not_averaged(grid: Path) -> None:
    other = {"plots": {**runs.metrics(0.9, 30), "data_key": "other"}}
    runs.write_cell(grid, runs.result("b", 2, 0.62, out_of_domain=other))
    (made,) = tables("out_of_domain", grid)
    assert rows_of(made, "name")["b"]["accuracy"] == 0.55
    assert "1 run answered other texts of that name, which is left out." in " ".join(made.notes)
    for arm in OWN:  # now most answered the others, which the baselines did not
        for seed in range(3):
            runs.write_cell(grid, runs.result(arm, seed, 0.6, out_of_domain=other))
    (made,) = tables("out_of_domain", grid)
    assert "NB-SVM" not in rows_of(made, "name") and "No baselines were computed on these texts." in made.notes


def test_a_sealed_grid_answers_as_its_folder_does(grid: Path, table: Table, tmp_path: Path) -> None:
    sealed = tmp_path / "sealed" / "demo"
    seal(grid, sealed)
    assert tables("out_of_domain", sealed) == [table]
    again = opened(sealed)
    assert load(again / FLOORS, Floors) == load(grid / FLOORS, Floors)
    for cell in ("a-0", "b-0", "b-1"):
        assert load(again / cell / RESULT, Result) == load(grid / cell / RESULT, Result)


def test_every_number_names_the_runs_that_it_is_made_of(table: Table) -> None:
    of_a = table.rows[1].entries
    assert set(of_a[2].sources) == {f"demo/a-{seed}" for seed in range(3)}
    assert set(of_a[4].sources) == {f"demo/{arm}-{seed}" for arm in ("a", "base") for seed in range(3)}
    assert table.rows[2].entries[2].sources == ("demo/b-0",)


def test_grids_that_were_not_asked_have_none(tmp_path: Path) -> None:
    assert tables("out_of_domain", runs.write_grid(tmp_path / "demo", {"base": {0: 0.5, 1: 0.6}})) == []
