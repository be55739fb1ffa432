"""Seeds that solve a task are counted, by its oracle, and no mean is taken over those that do and those that do not."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import rmtree

import pytest
from scipy.stats import hypergeom

from reports.definition import read_definitions
from reports.render import FORMATS, markdown
from reports.study.build import study
from reports.study.solved import counts
from tests.reports import synthetic_runs as runs
from tests.reports.synthetic_curves import validation_line, write_curve

TWO_HUMPS = {"base": [0.25, 0.26, 0.24, 0.25], "x": [0.99, 0.25, 0.96, 0.97]}


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Four seeds of two arms; of x all but the second end above the line, and reach it after 40, never, 80 and 80."""
    folder = tmp_path / "demo"
    runs.write_grid(folder, {arm: dict(enumerate(values)) for arm, values in TWO_HUMPS.items()}, [0, 1, 2, 3])
    oracle = {**runs.floors("oracle", accuracy=0.98)}
    oracle["floors"][0]["kind"] = "ceiling"  # as that schema calls it
    runs.write(folder / "floors.json", oracle)
    for arm, values in TWO_HUMPS.items():
        for seed, value in enumerate(values):
            first = value if value > 0.98 else 0.3
            lines = [validation_line(40, 1, first), validation_line(80, 2, max(value, 0.95 * (seed == 1)))]
            write_curve(folder / f"{arm}-{seed}", lines)
    return folder


def test_seeds_are_counted_by_a_share_of_the_oracle(grid: Path) -> None:
    base, x = counts(study([grid]).grids[0], 0.95)
    assert (len(base.solved), len(x.solved), x.unsolved) == (0, 3, [0.25])
    assert x.steps == (40, 80, 80)  # the seed whose validation was high and whose test was not has solved nothing
    # Of 8 seeds 3 solve the task: the chance that all 3, or none, are among the 4 of x.
    assert x.p == pytest.approx(hypergeom(8, 3, 4).pmf(3) + hypergeom(8, 3, 4).pmf(0))
    assert base.p is None and x.p_holm == x.p
    assert "demo/floors.json" in x.sources
    _, strict = counts(study([grid]).grids[0], 1.0)
    assert strict.solved == [0.99]


def test_a_seed_at_the_very_line_has_solved_the_task(grid: Path) -> None:
    oracle = json.loads((grid / "floors.json").read_text())
    oracle["floors"][0]["accuracy"] = 0.96
    runs.write(grid / "floors.json", oracle)
    _, x = counts(study([grid]).grids[0], 1.0)
    assert (x.line, x.solved, x.unsolved) == (0.96, [0.99, 0.96, 0.97], [0.25])
    assert x.steps == (40, 80, 80)


def test_the_table_has_no_mean_over_both_humps(grid: Path) -> None:
    (table,) = read_definitions(only=["solved"])[0].tables(study([grid]))
    shown = [[entry.text for entry in row.entries] for row in table.rows]
    assert shown[1][:2] == ["x", "3 of 4"] and shown[1][3:6] == ["80 [40, 80]", "97.33", "25.00"]
    assert shown[0][3:] == ["—", "—", "25.00", "", ""]
    assert all("79." not in make(table) for make in (markdown, *FORMATS.values()))
    assert not any("erdict" in note for note in table.notes), "it has none, so how they come about explains nothing"


def test_few_seeds_are_told_to_prove_nothing(grid: Path) -> None:
    """Four against four, all and none: 2 of the 70 ways to choose four of eight."""
    (table,) = read_definitions(only=["solved"])[0].tables(study([grid]))
    assert not any("cannot fall below" in note for note in table.notes), "2 / 70 is below 0.05"
    for seed in (2, 3):
        rmtree(grid / f"x-{seed}")
    (table,) = read_definitions(only=["solved"])[0].tables(study([grid]))
    assert any("p cannot fall below 0.067, after Holm 0.067" in note for note in table.notes), "1 of 15"


def test_a_task_without_an_oracle_has_no_table(tmp_path: Path) -> None:
    folder = runs.write_grid(tmp_path / "demo", {"base": {0: 0.5}}, [0])
    runs.write(folder / "floors.json", runs.floors("majority"))
    assert counts(study([folder]).grids[0], 0.95) == []
    assert read_definitions(only=["solved"])[0].tables(study([folder])) == []
