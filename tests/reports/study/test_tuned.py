"""Tuned grids: the choice and its edge, trials that are no evidence, and arms at a shared learning rate."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from reports.errors import ReportError
from reports.study.build import study
from reports.study.grid import Status
from reports.study.tuning import expected_maximum
from swarmformer.records import CONFIG, TUNING, Metrics, Seconds, Trial, load_json, save, save_tuning
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_tuning import SCORES, SEED, tuning, write_tuned
from tests.reports.tables.made_tables import rows_of, tables, texts


@pytest.mark.parametrize("scores", [[0.3], [0.7, 0.2], [0.5, 0.5, 0.9], [0.1, 0.4, 0.4, 0.0, 0.8]])
def test_the_expected_maximum_is_that_of_all_draws(scores: list[float]) -> None:
    n = len(scores)
    brute = [sum(map(max, product(scores, repeat=k))) / n**k for k in range(1, n + 1)]
    assert expected_maximum(scores) == pytest.approx(brute, abs=1e-12)


def test_the_choice_its_edge_and_its_neighbours(tmp_path: Path) -> None:
    (grid,) = study([write_tuned(tmp_path / "demo")]).grids
    base, x, y = grid.tuned
    assert base.chosen is not None and base.chosen.values == {"train.lr": 0.002} and not base.edges
    losses = {one.value: one.loss for one in base.neighbours}
    assert losses == {0.001: pytest.approx(0.2), 0.004: pytest.approx(0.1)}
    assert x.edges == {"train.lr": "highest"} and [one.value for one in x.neighbours] == [0.002]
    assert y.chosen is not None and y.neighbours[0].loss is None and y.expected[0] == pytest.approx((0 + 0.4 + 0.3) / 3)
    assert not grid.followed.deviations and grid.counts["COMPLETED"] == 6 and all(arm.n == 2 for arm in grid.arms)


def test_an_edge_is_said_under_the_tables_of_accuracy(tmp_path: Path) -> None:
    grid = write_tuned(tmp_path / "demo")
    for kind in ("arms", "one_factor"):
        (table,) = tables(kind, grid)
        said = [note for note in table.notes if note.startswith("Chosen at the edge of its range")]
        assert said == ["Chosen at the edge of its range, so that a better value may lie beyond: x (train.lr 0.004 is "
                        "the highest tried)."]  # fmt: skip
    flat = {**SCORES, "x": (0.5, 0.9, 0.6)}
    (within,) = tables("arms", write_tuned(tmp_path / "within" / "demo", flat))
    assert "Chosen at the edge" not in " ".join(within.notes)


@pytest.mark.parametrize(
    ("train", "epochs", "expected"),
    [
        ({"epochs": 3}, 1, "Trials had 1 epoch, the runs that count up to 3: a rate that suits few epochs may be too"),
        ({"epochs": 9, "stages": [{"epochs": 9}, {"epochs": 4}]}, 2, "Trials had 2 epochs, the runs that count up to"),
        ({"epochs": 3}, 3, ""),
        ({"epochs": 9, "stages": [{"epochs": 9}, {"epochs": 2}]}, 2, ""),
        ({"epochs": 3}, None, ""),
        ({"epochs": 3, "max_steps": 20}, 1, ""),
    ],
)
def test_trials_that_were_shorter_than_the_runs_are_told(
    tmp_path: Path, train: dict[str, Any], epochs: int | None, expected: str
) -> None:
    grid = write_tuned(tmp_path / "demo", epochs=epochs)
    for cell in grid.glob("*/config.json"):
        runs.write_training(cell.parent, train)
    (table,) = tables("arms", grid)
    said = [note for note in table.notes if note.startswith("Trials had")]
    assert len(said) == bool(expected) and all(note.startswith(expected) for note in said)


def test_the_table_of_tuning(tmp_path: Path) -> None:
    trials, expected = tables("tuning", write_tuned(tmp_path / "demo"))
    assert texts(trials, 0) == ["base"] * 3 + ["x"] * 3 + ["y"] * 3
    assert texts(trials, 3) == ["", "chosen", "", "", "", "chosen, at the edge", "", "chosen", ""]
    assert texts(trials, 2)[5:7] == ["90.00", "—"]
    assert trials.rows[6].detail == (f"seed {SEED} failed: the loss became nan",)
    assert "base: −20.00 at train.lr 0.001, −10.00 at train.lr 0.004" in trials.notes[0]
    row = rows_of(expected, "arm")["base"]
    assert [row[f"best_of_{k}"] for k in (1, 2, 3)] == pytest.approx(expected_maximum([0.6, 0.8, 0.7]))
    assert all(entry.sources for row in trials.rows for entry in row.entries)


def test_a_grid_without_tuning_has_no_such_table_and_says_what_arms_share(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {arm: {0: 0.5, 1: 0.6} for arm in ("base", "x", "y")})
    for cell in grid.glob("*/config.json"):
        record = load_json(cell)
        record["spec"]["train"] = {"optimiser": {"name": "adamw", "lr": 0.001 if record["arm"] == "y" else 0.004}}
        cell.write_text(json.dumps(record))
    assert not tables("tuning", grid)
    (table,) = tables("arms", grid)
    assert table.notes[-1] == (
        "Not tuned: arms share a learning rate that was not chosen for each of them (0.004: base, x)."
    )


def trial(grid: Path, score: float = 0.6) -> Path:
    """The folder of base's first trial."""
    folder = grid / "tuning" / "base-0.001"
    key = tuning().arms[0].tried[0].trials[0].run_key
    runs.write(folder / CONFIG, {**runs.config("base", SEED), "run_key": key, "trial": True})
    metrics = Metrics(accuracy=score, precision=0.5, recall=0.5, f1=0.5, loss=1.0, n=9)
    made = Trial(run_key=key, arm="base", seed=SEED, task="listops", validation=metrics, data_key="d",
                 code_revision="c", device="cpu", seconds=Seconds(train=1.0, total=2.0))  # fmt: skip
    save(folder / "trial.json", made)
    return folder


def test_a_trial_is_no_evidence_however_it_is_named(tmp_path: Path) -> None:
    grid = write_tuned(tmp_path / "demo")
    folder = trial(grid)
    assert not study([grid]).grids[0].followed.deviations
    for path in (folder, folder.parent):
        with pytest.raises(ReportError, match=r"a trial, which only chose the values .* is no evidence"):
            study([path])
    (folder / "trial.json").unlink()  # one that is not finished
    with pytest.raises(ReportError, match="is no evidence"):
        study([folder])
    trial(grid)
    folder.rename(grid / "base-moved")
    with pytest.raises(ReportError, match="is no evidence"):
        study([grid])


def test_a_run_with_a_seed_that_tuned_is_refused(tmp_path: Path) -> None:
    grid = write_tuned(tmp_path / "demo")
    record = load_json(grid / "plan.json")
    record["tuning"] = None  # as a plan that hides it
    record["cells"][0].update(cell="base-9", seed=SEED, run_key=runs.run_key("base"))
    runs.write(grid / "plan.json", record)
    runs.write_cell(grid, runs.result("base", SEED, 0.9))
    with pytest.raises(ReportError, match=f"seed {SEED} tuned the arms of demo"):
        study([grid])


def test_before_the_choice_every_run_is_pending(tmp_path: Path) -> None:
    (grid,) = study([write_tuned(tmp_path / "demo", chosen=False)]).grids
    assert {cell.status for cell in grid.cells} == {Status.PENDING} and len(grid.cells) == 6
    assert {cell.cause for cell in grid.cells} == {"its values are not chosen yet"}


def test_a_choice_that_the_trials_do_not_give_is_a_deviation(tmp_path: Path) -> None:
    grid = write_tuned(tmp_path / "demo")
    arms = tuple(arm.model_copy(update={"chosen": 0}) if arm.arm == "x" else arm for arm in tuning().arms)
    save_tuning(grid, tuning(arms=arms))
    assert study([grid]).grids[0].followed.deviations == ("the choice for x is not the one that its trials give",)
    save_tuning(grid, tuning(seeds=(SEED, 10)))
    assert "the trials in tuning.json are not those in registered.json" in study([grid]).grids[0].followed.deviations
    save_tuning(grid, tuning())
    trial(grid, score=0.99)
    assert study([grid]).grids[0].followed.deviations == ("tuning.json has other scores than the trials: base-0.001",)
    (grid / TUNING).unlink()
    assert "its values are not chosen yet" in {cell.cause for cell in study([grid]).grids[0].cells}
