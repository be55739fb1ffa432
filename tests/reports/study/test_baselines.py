"""Baselines: whose data they are of, and which arms stay below them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports.statistics.interval import wilson
from reports.study.build import study
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_runs import ACCURACIES, only


def test_baselines_of_any_grid_on_the_same_data_are_references(tmp_path: Path) -> None:
    first, second = (runs.write_grid(tmp_path / name, ACCURACIES, seeds=[0, 1, 2]) for name in ("one", "two"))
    runs.write(first / "floors.json", runs.floors("majority", accuracy=0.3, left_out={"NB-SVM": "no words"}))
    rows = [{"name": "oracle", "accuracy": 0.99, "n": 2000, "split": "test", "kind": "ceiling"}]
    runs.write(second / "floors.json", {**runs.floors("majority", "better", accuracy=0.35), "floors": [
        *runs.floors("majority", "better", accuracy=0.35)["floors"], *rows]})  # fmt: skip
    grid, _ = study([first, second]).grids
    named = {reference.name: reference for reference in grid.references}
    assert list(named) == ["majority", "better", "oracle"] and grid.left_out == ("NB-SVM: no words",)
    assert named["majority"].accuracy == wilson(0.3, 2000) and named["majority"].sources == ("one/floors.json",)
    assert named["oracle"].kind == "oracle" and grid.best_baseline.name == "better"
    above = grid.best_baseline.below(grid.arm("x"))
    arm, best, drawn = grid.arm("x").accuracy, named["better"].accuracy, wilson(0.52, 2000)
    assert above.mean == pytest.approx(0.52 - 0.35)
    below = np.sqrt((arm.mean - arm.low) ** 2 + (0.52 - drawn.low) ** 2 + (best.high - best.mean) ** 2)
    assert above.low == pytest.approx(above.mean - below)
    assert only(second).references[0].sources == ("two/floors.json",)


def test_baselines_of_another_grid_on_other_data_are_no_references(tmp_path: Path) -> None:
    first, second = (runs.write_grid(tmp_path / name, ACCURACIES, seeds=[0, 1, 2]) for name in ("one", "two"))
    runs.write(first / "floors.json", runs.floors("majority"))
    for data_key, expected in (("data-2", ["majority"]), (runs.DATA, ["majority", "better"])):
        runs.write(second / "floors.json", runs.floors("better", data_key=data_key))
        grid, _ = study([first, second]).grids
        assert [reference.name for reference in grid.references] == expected


def test_arms_below_the_best_baseline_are_named(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    means = {arm: np.mean(list(of_seeds.values())) for arm, of_seeds in ACCURACIES.items()}
    (worst, low), *_, (_, high) = sorted(means.items(), key=lambda item: item[1])
    for accuracy, named in ((low + 0.001, worst), (high + 0.001, f"all {len(means)} arms"), (low - 0.01, None)):
        runs.write(folder / "floors.json", runs.floors("NB-SVM", accuracy=float(accuracy)))
        notes = [note for note in only(folder).notes if "best baseline" in note]
        assert notes == ([f"The best baseline, NB-SVM ({100 * accuracy:.2f} %), is above {named}."] if named else [])


def test_a_baseline_over_several_splits_says_over_how_many_and_of_which_its_details_are(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    record = runs.floors("NB-SVM", accuracy=0.3)
    drawn = {"splits": 4, "lowest": 0.29, "highest": 0.31}
    record["floors"][0]["detail"] = {"C": 0.3, "validation_accuracy": 1 / 3, **drawn}
    runs.write(folder / "floors.json", record)
    (found,) = only(folder).references
    of_first = "on the first: C 0.3, validation_accuracy 0.3333"
    assert found.detail == f"mean over 4 splits of training and validation, 0.29 to 0.31; {of_first}"


def test_the_best_baseline_of_the_cut_is_the_grids_own(tmp_path: Path) -> None:
    """Another grid on the same data may cut its texts elsewhere."""
    one, two = (runs.write_grid(tmp_path / name, ACCURACIES, seeds=[0, 1, 2]) for name in ("one", "two"))
    for folder, length, accuracy in ((one, 128, 0.55), (two, 256, 0.95)):
        whole = runs.floors("NB-SVM", accuracy=0.99)["floors"]
        cut = runs.floors(f"NB-SVM, cut to {length} tokens", accuracy=accuracy)["floors"]
        runs.write(folder / "floors.json", runs.floors() | {"floors": [*whole, *cut]})
    first, second = study([one, two]).grids
    assert {grid.best_baseline.name for grid in (first, second)} == {"NB-SVM"}
    assert [grid.best_on_cut.name for grid in (first, second)] == [
        "NB-SVM, cut to 128 tokens", "NB-SVM, cut to 256 tokens",
    ]  # fmt: skip
    notes = [note for note in first.notes if "best baseline" in note]
    assert notes[1].startswith("The best baseline on the same cut of each text, NB-SVM, cut to 128 tokens (55.00 %)")


def test_baselines_of_other_data_are_shown_and_not_compared_with(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", ACCURACIES, seeds=[0, 1, 2])
    runs.write(folder / "floors.json", runs.floors("majority", data_key="elsewhere"))
    grid = only(folder)
    assert [reference.name for reference in grid.references] == ["majority"]
    assert grid.best_baseline is None and grid.best_on_cut is None
    assert any("same data" in warning for warning in grid.warnings)
