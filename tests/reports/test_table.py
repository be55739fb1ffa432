"""Rows of the table: averages, pairs, strata, floors and latencies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic_runs as runs
from reports.rows import Row, Table
from scipy import stats

from reports.errors import ReportError
from reports.read import read_runs
from reports.table import build_tables


def table_of(*paths: Path, mix: tuple[str, ...] = ()) -> Table:
    (table,) = build_tables(read_runs(paths), mix)
    return table


def row_of(table: Table, name: str) -> Row:
    (row,) = [row for row in table.rows if row.name == name]
    return row


def test_means_and_differences_are_those_of_scipy(tmp_path: Path) -> None:
    base, arm = [0.36, 0.38, 0.37], [0.40, 0.43, 0.405]
    grid = {"base": dict(enumerate(base)), "base+x": dict(enumerate(arm))}
    row = row_of(table_of(runs.write_grid(tmp_path / "demo", grid, [0, 1, 2])), "base+x")
    mean = stats.ttest_1samp(arm, 0).confidence_interval(0.95)
    paired = stats.ttest_rel(arm, base).confidence_interval(0.95)
    assert row.n == 3 and row.seeds == (0, 1, 2)
    assert row.accuracy is not None and row.difference is not None
    assert (row.accuracy.low, row.accuracy.high) == pytest.approx((mean.low, mean.high))
    assert (row.difference.low, row.difference.high) == pytest.approx((paired.low, paired.high))
    assert row.means["validation_accuracy"] == pytest.approx(np.mean(arm) + 0.01)


def test_only_seeds_that_both_have_are_paired(tmp_path: Path) -> None:
    grid = {"base": {0: 0.30, 2: 0.50}, "base+x": {0: 0.35, 1: 0.90}, "base+y": {1: 0.4}}
    table = table_of(runs.write_grid(tmp_path / "demo", grid, [0, 1, 2]))
    x, y = row_of(table, "base+x"), row_of(table, "base+y")
    assert x.n == 2 and x.difference is not None
    assert (x.difference.n, x.difference.low) == (1, None) and x.difference.mean == pytest.approx(0.05)
    assert y.difference is None
    assert any("base+y" in warning and "to pair with" in warning for warning in table.warnings)


def test_an_arm_without_results_is_a_row_that_knows_its_plan(tmp_path: Path) -> None:
    row = row_of(table_of(runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}, "base+x": {}})), "base+x")
    assert (row.n, row.accuracy, row.difference) == (0, None, None)
    assert row.run_key == runs.run_key("base+x") and row.flops is not None


def test_arms_stand_in_the_order_of_the_plan(tmp_path: Path) -> None:
    table = table_of(runs.write_grid(tmp_path / "demo", {"z": {0: 0.4}, "base": {0: 0.4}, "a": {}}))
    assert [row.name for row in table.rows] == ["z", "base", "a"]


CHANGES = {"code": {"code_revision": "1234567"}, "data": {"data_key": "data-2"}, "device": {"device": "cuda: H"}}


@pytest.mark.parametrize("name", CHANGES)
def test_unlike_cells_are_neither_averaged_nor_paired_unless_asked(tmp_path: Path, name: str) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.30, 1: 0.32}, "base+x": {0: 0.40}})
    runs.write_cell(grid, runs.result("base+x", 1, 0.60, **CHANGES[name]))
    apart = table_of(grid)
    rows = [row for row in apart.rows if row.name == "base+x"]
    assert sorted(row.accuracy.mean for row in rows if row.accuracy) == [0.40, 0.60]
    assert [row.difference.n if row.difference else 0 for row in rows if row.seeds == (0,)] == [1]
    assert [row.difference for row in rows if row.seeds == (1,)] == [None]
    assert any(f"--mix {name}" in warning for warning in apart.warnings)

    mixed = table_of(grid, mix=(name,))
    row = row_of(mixed, "base+x")
    assert row.n == 2 and row.difference is not None and row.difference.n == 2
    assert row.accuracy is not None and row.accuracy.mean == pytest.approx(0.5)
    assert any("as --mix asks" in warning for warning in mixed.warnings)
    (changed,) = CHANGES[name].items()
    assert changed[1] in getattr(row, changed[0])


def test_mixing_one_thing_does_not_mix_another(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.30}})
    runs.write_cell(grid, runs.result("base", 1, 0.60, **CHANGES["data"]))
    assert len(table_of(grid, mix=("code", "device")).rows) == 2


@pytest.mark.parametrize(("revision", "said"), [("abcdef0-dirty", "uncommitted changes"), ("unknown", "unknown")])
def test_results_of_code_that_cannot_be_had_again_are_warned_of(tmp_path: Path, revision: str, said: str) -> None:
    grid = tmp_path / "demo"
    runs.write_cell(grid, runs.result("base", 0, 0.4, code_revision=revision))
    (warning,) = table_of(grid).warnings
    assert said in warning


def test_one_name_for_two_configurations_gives_two_rows(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    runs.write_cell(loose, runs.result("a", 0, 0.4), folder="one")
    runs.write_cell(loose, runs.result("a", 1, 0.6, run_key="another"), folder="two")
    assert [row.n for row in table_of(loose).rows] == [1, 1]


def test_a_seed_that_was_run_twice_counts_once(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    runs.write_cell(loose, runs.result("a", 0, 0.4), folder="one")
    runs.write_cell(loose, runs.result("a", 0, 0.6), folder="two")
    table = table_of(loose)
    row = row_of(table, "a")
    assert row.n == 1 and row.accuracy is not None and row.accuracy.mean == 0.4
    assert table.warnings == ("A seed counts once; left out as repeated: loose/two.",)


def test_every_grid_and_task_has_its_own_table(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    runs.write_cell(loose, runs.result("a", 0, 0.4))
    runs.write_cell(loose, runs.result("b", 0, 0.8, task="imdb"))
    demo = runs.write_grid(tmp_path / "demo", {"base": {0: 0.5}})
    tables = build_tables(read_runs([loose, demo]))
    found = [(table.grid, table.task, [row.name for row in table.rows]) for table in tables]
    assert found == [("loose", "imdb", ["b"]), ("loose", "listops", ["a"]), ("demo", "listops", ["base"])]


def test_floors_are_the_last_rows_with_a_binomial_interval(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    runs.write(grid / "floors.json", runs.floors("majority", "first digit", accuracy=0.17))
    table = table_of(grid)
    assert [row.kind for row in table.rows] == ["arm", "floor", "floor"]
    floor = row_of(table, "majority")
    expected = stats.binomtest(340, 2000).proportion_ci(method="wilson")
    assert floor.n == 2000 and floor.accuracy is not None
    assert (floor.accuracy.low, floor.accuracy.high) == pytest.approx((expected.low, expected.high))


def test_ceilings_stand_below_the_floors_wherever_the_file_has_them(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    record = runs.floors("oracle", "majority", "look-up")
    for row, kind in zip(record["floors"], ("ceiling", None, "ceiling"), strict=True):
        row |= {} if kind is None else {"kind": kind}
    runs.write(grid / "floors.json", {**record, "left_out": {"NB-SVM": "asks at tokens"}})
    table = table_of(grid)
    assert [(row.kind, row.name) for row in table.rows[1:]] == [
        ("floor", "majority"), ("ceiling", "oracle"), ("ceiling", "look-up"),
    ]  # fmt: skip
    assert [row.name for row in table.floors] == ["majority"], "a file of before there were kinds has floors"
    assert table.left_out == ("NB-SVM: asks at tokens",)
    ceiling, floor = row_of(table, "oracle"), row_of(table, "majority")
    assert (ceiling.accuracy, ceiling.n, ceiling.data_key) == (floor.accuracy, floor.n, floor.data_key)


def test_floors_of_other_data_or_splits_are_marked(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    record = runs.floors("majority", data_key="data-2")
    record["floors"][0]["split"] = "validation"
    runs.write(grid / "floors.json", record)
    table = table_of(grid)
    assert table.floors[0].name == "majority (validation split)"
    assert any("data-2" in warning and "Floors" in warning for warning in table.warnings)


def test_a_latency_above_the_ceiling_stops_the_report(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 256, 0.5, share_of_ceiling=9.1)))
    with pytest.raises(ReportError, match=r"base at batch 256.* 9\.10 of the machine's ceiling"):
        table_of(grid)
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 256, 0.5, share_of_ceiling=1.04)))
    assert table_of(grid).rows


def test_a_stated_share_does_not_hide_what_the_figures_say(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    faster = runs.latency("base", 1, median_s=1e-3, flops=190_000_000, share_of_ceiling=0.5)  # 1.9e11 of 9.5e10
    runs.write(grid / "costs.json", runs.costs(faster))
    with pytest.raises(ReportError, match=r"reaches 2\.00 of the machine's ceiling"):
        table_of(grid)


@pytest.mark.parametrize(
    ("change", "share"),
    [
        ({"flops": 10**9, "computed_flops": 10**8, "ceiling_flops_per_s": 1e10}, "5.00"),
        ({"flops": 1, "least_bytes": 10**8}, "4.17"),  # of 1.2e10 bytes/s
        ({"flops": 1, "least_bytes": 10**8, "ceiling_bytes_per_s": 2e10}, "2.50"),
        ({"flops": 1, "share_of_floor": 1.5}, "1.50"),
    ],
)
def test_every_limit_of_a_row_is_checked_anew(tmp_path: Path, change: dict[str, Any], share: str) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 1, median_s=2e-3, **change)))
    with pytest.raises(ReportError, match=f"reaches {share} of the machine's ceiling"):
        table_of(grid)


def test_only_forward_passes_in_fp32_stand_for_latency(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}})
    others = [{"mode": "training"}, {"mode": "single_stream"}, {"precision": "bf16"}]
    rows = [runs.latency("base", 1, median_s=0.5, **other) for other in others]
    runs.write(grid / "costs.json", runs.costs(*rows, runs.latency("base", 1, median_s=0.002)))
    assert row_of(table_of(grid), "base").latency[1].median_s == 0.002


def test_latency_is_that_of_the_rows_own_length_else_of_the_longest(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.4}, "base+x": {0: 0.4}})
    rows = [runs.latency("base", 1, length=length, median_s=length / 1e4) for length in (64, 32, 128)]
    rows += [runs.latency("base+x", 1, length=length, median_s=length / 1e4) for length in (16, 32)]
    runs.write(grid / "costs.json", runs.costs(*rows))
    table = table_of(grid)
    assert row_of(table, "base").latency[1].length == 64
    assert row_of(table, "base+x").latency[1].length == 32
    assert 32 not in row_of(table, "base").latency
