"""What runs are of, grid by grid; and the remark on learning rates of a table over several grids."""

from __future__ import annotations

from pathlib import Path

from reports.render import table_lines
from reports.study.build import study
from reports.tables.layout import learning_rates
from tests.committed import RESULTS, SEALED, runs_of
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_tuning import write_tuned
from tests.reports.tables.made_tables import MARGIN, entry, one_in, tables, texts


def start(torch: str) -> dict[str, object]:
    nothing: dict[str, object] = {"git": None, "machine": {}, "threads": {}, "device": {}}
    return {**nothing, "python": "3.11", "platform": "Linux", "packages": {"torch": torch}}


def test_a_row_says_what_the_runs_of_a_grid_are_of(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    for seed, torch in ((0, "2.11.0"), (1, "2.13.0"), (2, "2.13.0")):
        runs.write(grid / runs.cell_name("base", seed) / "environment.json", {"schema": 2, "starts": [start(torch)]})
    (table,) = tables("provenance", grid, runs.write_grid(tmp_path / "loose", {"base": {0: 0.5}}))
    said = {head: entry(table, "grid", "demo", head).text for head in ("runs", "code revision", "PyTorch", "device")}
    assert said == {"runs": "15", "code revision": runs.CODE, "device": runs.DEVICE,
                    "PyTorch": "2.11.0 (1); 2.13.0 (2); not recorded (12)"}  # fmt: skip
    assert entry(table, "grid", "demo", "source hash").text == "not recorded"
    assert texts(table, 7) == ["yes", "no"]


def test_grids_without_runs_have_no_row(tmp_path: Path) -> None:
    assert tables("provenance", runs.write_grid(tmp_path / "demo", {"base": {}})) == []


def test_the_committed_table_has_every_run_of_every_sealed_grid() -> None:
    (page,) = RESULTS.rglob("table8.md")
    rows = [[cell.strip(" `") for cell in line.split("|")] for line in table_lines(page.read_text(), "table8")[2:]]
    sealed = {grid.name: len([*runs_of(grid.name).glob("*/result.json")]) for grid in SEALED}
    assert {row[1]: int(row[2]) for row in rows} == sealed


def test_grids_at_the_edge_of_what_was_tried_are_named(tmp_path: Path) -> None:
    edges = [one.arm for one in study([write_tuned(tmp_path / "tuned")]).grids[0].tuned if one.edges]
    said = learning_rates(study([tmp_path / "tuned"]).grids)
    assert edges and f"may lie beyond: demo ({len(edges)} of " in said[0] and len(said) == 1
