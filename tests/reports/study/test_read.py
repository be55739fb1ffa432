"""Run folders in every state that a killed, foreign or damaged run can leave behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.errors import ReportError
from reports.study.grid import Cell, Status
from reports.study.read import read_grid, read_runs
from tests.reports import synthetic_runs as runs


def only_cell(grid: Path) -> Cell:
    (cell,) = read_grid(grid).cells
    return cell


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_every_state_is_told_apart_and_nothing_is_touched(tmp_path: Path) -> None:
    grid = tmp_path / "demo"
    runs.write(grid / "plan.json", runs.plan(["base"], [0, 1, 2, 3, 4]))
    runs.write_cell(grid, runs.result("base", 0, 0.4))
    runs.write_cell(grid, runs.failure("base", 1, "the loss became NaN", step=120))
    runs.write(grid / "base-2" / "config.json", runs.config("base", 2))
    (grid / "base-3").mkdir()
    before = snapshot(tmp_path)
    cells = read_grid(grid).cells
    # A folder without config.json, like a planned cell without a folder, has not been started.
    states = [Status.COMPLETED, Status.FAILED, Status.INCOMPLETE, Status.PENDING, Status.PENDING]
    assert [cell.status for cell in cells] == states
    assert cells[1].cause == "the loss became NaN (step 120)"
    assert [cell.seed for cell in cells] == [0, 1, 2, 3, 4]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["result.json", "failure.json", "config.json"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"schema": 1, "stat', "cannot be read as JSON"),
        (b"", "cannot be read as JSON"),
        (b"\xff\xfe\x00", "cannot be read as JSON"),
        (b'{"schema": 3}', "schema 3; this version reads schema 1 to 2"),
        (b"[1, 2]", "schema None"),
        (b'{"schema": 1}', "run_key: Field required"),
    ],
)
def test_a_damaged_file_is_listed_with_path_and_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    cell_folder = tmp_path / "demo" / "base-0"
    cell_folder.mkdir(parents=True)
    (cell_folder / name).write_bytes(content)
    cell = only_cell(tmp_path / "demo")
    assert cell.status is Status.UNREADABLE and cell.where == f"demo/base-0/{name}"
    assert reason in cell.cause
    assert (cell_folder / name).read_bytes() == content


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("metrics", "test", "accuracy"), float("nan")),
        (("metrics", "test", "accuracy"), 86.2),
        (("metrics", "test", "accuracy"), "0.5"),
        (("metrics", "test", "loss"), float("inf")),
        (("metrics", "test", "n"), 0),
        (("flops", "forward"), -1),
        (("seed",), "0"),
    ],
)
def test_a_result_with_an_impossible_value_is_not_used(tmp_path: Path, keys: tuple[str, ...], value: Any) -> None:
    record = runs.result("base", 0, 0.4)
    part = record
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    runs.write(tmp_path / "demo" / "base-0" / "result.json", record)
    cell = only_cell(tmp_path / "demo")
    assert cell.status is Status.UNREADABLE and ".".join(keys) in cell.cause


def test_a_new_key_in_a_file_is_let_through(tmp_path: Path) -> None:
    runs.write_cell(tmp_path / "demo", runs.result("base", 0, 0.4, invented_later={"a": 1}))
    assert only_cell(tmp_path / "demo").status is Status.COMPLETED


def test_a_result_outranks_the_failure_of_an_earlier_try(tmp_path: Path) -> None:
    cell = runs.write_cell(tmp_path / "demo", runs.failure("base", 0, "out of memory"))
    runs.write(cell / "result.json", runs.result("base", 0, 0.4))
    assert only_cell(tmp_path / "demo").status is Status.COMPLETED


def test_a_result_of_another_configuration_than_planned_is_not_used(tmp_path: Path) -> None:
    grid = tmp_path / "demo"
    runs.write(grid / "plan.json", runs.plan(["base"], [0]))
    runs.write_cell(grid, runs.result("base", 0, 0.4, run_key="an-older-one"))
    cell = only_cell(grid)
    assert cell.status is Status.UNREADABLE
    assert "'an-older-one'" in cell.cause and runs.run_key("base") in cell.cause


def test_cells_outside_the_plan_are_named(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}}, seeds=[0])
    runs.write_cell(grid, runs.result("base", 7, 0.9))
    assert read_grid(grid).unplanned == ("base-7",)
    assert len(read_grid(grid).cells) == 1


@pytest.mark.parametrize("name", ["plan.json", "floors.json", "costs.json"])
def test_a_damaged_file_of_the_grid_does_not_hide_its_cells(tmp_path: Path, name: str) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}}, seeds=[0])
    (grid / name).write_text('{"schema": 1, "half')
    cells = read_grid(grid).cells
    assert [(cell.status, cell.where) for cell in cells] == [
        (Status.COMPLETED, "demo/base-0"),
        (Status.UNREADABLE, f"demo/{name}"),
    ]


def test_a_plan_whose_base_is_no_arm_is_unreadable(tmp_path: Path) -> None:
    runs.write(tmp_path / "demo" / "plan.json", runs.plan(["a"], [0], base="nobody"))
    cell = only_cell(tmp_path / "demo")
    assert cell.status is Status.UNREADABLE and "nobody" in cell.cause


def test_grids_folders_of_cells_and_single_cells_can_be_named(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4, 1: 0.5}})
    loose = tmp_path / "loose"
    first = runs.write_cell(loose, runs.result("a", 0, 0.4))
    runs.write_cell(loose, runs.result("a", 1, 0.4))
    found = read_runs([grid, first])
    assert [(g.name, g.base, len(g.cells)) for g in found] == [("demo", "base", 2), ("loose", None, 1)]
    assert [len(g.cells) for g in read_runs([loose, first, grid / "base-1"])] == [2, 1]
    assert read_runs([grid / "base-1"])[0].base == "base"


def test_a_path_without_runs_says_what_to_name_instead(tmp_path: Path) -> None:
    runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}}, seeds=[0])
    with pytest.raises(ReportError, match=r"It holds grids; name those: demo"):
        read_runs([tmp_path])
    with pytest.raises(ReportError, match="no such folder"):
        read_runs([tmp_path / "nowhere"])
