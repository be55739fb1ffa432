"""A run proves how it read the test split, or is marked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports.study.build import study
from tests.reports import synthetic_runs as synthetic

VALIDATIONS = (0.6, 0.8, 0.8, 0.7)
FACTS = {
    "examples": {"train": 90, "validation": 10, "test": 50}, "empty": {"test": 3}, "dropped": 0,
    "shared": {"train in test": {"exact": 4, "normalised": 6}, "validation in test": {"exact": 0, "normalised": 0}},
}  # fmt: skip


def line(kind: str, step: int, epoch: int, accuracy: float) -> dict[str, Any]:
    return {"kind": kind, "step": step, "epoch": epoch, **synthetic.metrics(accuracy)}


def sound_curve() -> list[dict[str, Any]]:
    validations = [line("validation", 100 * epoch, epoch, a) for epoch, a in enumerate(VALIDATIONS, 1)]
    return [*validations, line("test", 400, 2, 0.75)]


def grid_of(folder: Path, curve: list[dict[str, Any]] | None, seeds: tuple[int, ...] = (0,), **changes: Any) -> Path:
    grid = synthetic.write_grid(folder / "demo", {"base": {}}, seeds)
    for seed in seeds:
        record = synthetic.result("base", seed, 0.75, **{"best_epoch": 2, "test_readings": 1, "data": FACTS} | changes)
        cell = synthetic.write_cell(grid, record)
        if curve is not None:
            (cell / "curve.jsonl").write_text("".join(json.dumps(one) + "\n" for one in curve))
    return grid


def said(grid: Path) -> tuple[str, str]:
    """Warnings and notes."""
    (one,) = study([grid]).grids
    return "\n".join(one.warnings), "\n".join(one.notes)


def test_a_sound_run_proves_its_reading_and_its_data(tmp_path: Path) -> None:
    warnings, notes = said(grid_of(tmp_path, sound_curve(), (0, 1)))
    assert "selected on test" not in warnings
    assert "In 2 runs the test split was read once, with the weights of the epoch that validation chose" in notes
    assert "train in test 4 (6 after normalisation); all were kept." in notes
    assert "Empty texts: 3 in test." in notes and "All seeds have one split" in notes


def test_what_seeds_vary_is_said(tmp_path: Path) -> None:
    _, notes = said(grid_of(tmp_path, sound_curve(), (0, 1), data={**FACTS, "redrawn": True}))
    assert "parted anew with each seed" in notes and "All seeds have one split" not in notes


def test_a_run_that_was_stopped_between_reading_and_result_reads_the_same_again(tmp_path: Path) -> None:
    curve = [*sound_curve(), sound_curve()[-1]]
    warnings, notes = said(grid_of(tmp_path, curve, test_readings=2))
    assert "selected on test" not in warnings and "was read once" in notes


def _early(curve: list[dict[str, Any]]) -> None:
    curve.insert(1, line("test", 100, 1, 0.7))


def _other_epoch(curve: list[dict[str, Any]]) -> None:
    curve[-1]["epoch"] = 3


def _other_step(curve: list[dict[str, Any]]) -> None:
    curve[-1]["step"] = 300


def _better_elsewhere(curve: list[dict[str, Any]]) -> None:
    curve[3]["accuracy"] = 0.9


@pytest.mark.parametrize(
    ("change", "readings", "words"),
    [
        (_early, 2, "its curve shows readings of the test split other than one of the epoch chosen"),
        (_early, 1, "its result counts 1 readings of the test split, its curve 2"),
        (_other_epoch, 1, "its curve shows readings of the test split other than one"),
        (_other_step, 1, "its curve shows readings of the test split other than one"),
        (_better_elsewhere, 1, "epoch 2 was tested, but epoch 4 has the best validation accuracy"),
        (list.clear, 1, "its result counts 1 readings of the test split, its curve 0"),
    ],
)
def test_a_run_that_shows_anything_else_is_marked(
    tmp_path: Path, change: Callable[[list[dict[str, Any]]], None], readings: int, words: str
) -> None:
    curve = sound_curve()
    change(curve)
    warnings, notes = said(grid_of(tmp_path, curve, test_readings=readings))
    assert f"demo/base-0: {words}" in warnings and "may be selected on test" in warnings
    assert "was read once" not in notes


def test_a_stage_that_goes_by_loss_is_held_to_the_smallest(tmp_path: Path) -> None:
    losses, warnings = (1.2, 1.1, 0.9, 1.0), dict[int, str]()
    for tested in (2, 3):
        curve = [*sound_curve()[:-1], line("test", 400, tested, 0.75)]
        for validation, loss in zip(curve, losses, strict=False):
            validation["loss"] = loss
        grid = grid_of(tmp_path, curve, best_epoch=tested)
        config = json.loads((grid / "base-0" / "config.json").read_text())
        config["spec"]["train"] = {"stages": [{"name": "supervised", "by": "loss"}]}
        synthetic.write(grid / "base-0" / "config.json", config)
        warnings[tested] = said(grid)[0]
    assert "epoch 2 was tested, but epoch 3 has the best validation loss" in warnings[2]
    assert "selected on test" not in warnings[3]


def test_runs_from_before_the_record_say_nothing(tmp_path: Path) -> None:
    warnings, notes = said(grid_of(tmp_path, None, test_readings=None, data=None))
    assert "test split" not in warnings + notes


def test_the_authors_reading_is_shown_as_no_result(tmp_path: Path) -> None:
    reading = {"accuracy": 0.775, "epoch": 3, "readings": 4}
    curve = [*sound_curve()[:-1], *(line("test_reading", 100 * e, e, 0.7) for e in range(1, 5)), sound_curve()[-1]]
    warnings, notes = said(grid_of(tmp_path, curve, published_reading=reading))
    assert "selected on test" not in warnings
    assert "In 1 run the result is of one reading of the test split, with the weights" in notes and "once" not in notes
    assert "as the authors read it, and no result: base with seed 0 77.50 (best of 4, epoch 3)." in notes


def test_splits_drawn_anew_show_the_range(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, sound_curve(), (0, 1))
    path = grid / "base-1" / "result.json"
    record = json.loads(path.read_text())
    record["data"] |= {"redrawn": True, "added": {"synonyms": 1234}}
    record["data"]["shared"]["train in test"] = {"exact": 5, "normalised": 6}
    path.write_text(json.dumps({**record, "data": {**record["data"], "dropped": 6}}))
    notes = said(grid)[1]
    assert "train in test 4 to 5 (6 after normalisation); 0 to 6 were left out of training." in notes
    assert "parted anew with each seed, alike for all arms" in notes
    assert "Texts added to training: base (synonyms 1,234)." in notes
