"""The table of arms: every arm and predictor of every grid and task, what is missing, and what parts them."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from pathlib import Path

import pytest

from reports.render import FORMATS, MISSING, Table, markdown
from tests.committed import RESULTS
from tests.reports import synthetic_runs as runs
from tests.reports.tables.made_tables import MARGIN, one_in, rows_of, ruled, tables, texts


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Three seeds of the base, one arm with one run, one without, two baselines, one failure."""
    accuracies = {"base": {0: 0.36, 1: 0.38, 2: 0.37}, "base+tied_qkv": {0: 0.41}, "base+x": {}}
    grid = runs.write_grid(tmp_path / "runs" / "demo", accuracies, [0, 1, 2])
    runs.write_cell(grid, runs.failure("base+x", 0, "NaN | in `layer_0`\nat once"))
    runs.write(grid / "floors.json", runs.floors("majority", "NB-SVM"))
    latencies = [runs.latency("base", 1), runs.latency("base", 32, 0.0432)]
    runs.write(grid / "costs.json", runs.costs(*latencies, runs.latency("base+tied_qkv", 1)))
    return grid


def printed(table: Table) -> dict[str, list[str]]:
    return {row.entries[0].text: [row.entries[index].text for index in table.printed] for row in table.rows}


def test_numbers_are_shown_and_missing_is_shown_as_missing(grid: Path) -> None:
    (table,) = tables("arms", grid)
    rows = printed(table)
    assert rows["base"][1].startswith("37.00 [") and rows["base"][2:4] == ["3 seeds", "base"]
    assert rows["base+tied_qkv"][1:4] == ["41.00 (no interval)", "1 of 3 seeds", "+5.00 (no interval)"]
    assert rows["base+x"][1:4] == [MISSING, "0 of 3 seeds", MISSING]
    assert rows["base"][4:8] == ["123,456 (23,456)", "12.3 M @ 64", "2.00 (3.00) @ 64", "43.2 (64.8) @ 64"]
    assert rows["base+tied_qkv"][6:8] == ["2.00 (3.00) @ 64", MISSING] and rows["base+x"][6:8] == [MISSING, MISSING]
    assert rows["base"][8] == runs.run_key("base")
    assert rows["majority (baseline)"][1:4] == ["17.00 [15.42, 18.71]", "2,000 examples", ""]
    assert ruled(table) == [3]
    assert any("code revision abcdef0, device cpu: Test 9000, data data-1" in note for note in table.notes)
    assert any(note.startswith("Latency: model only") for note in table.notes)


def test_provenance_that_differs_becomes_a_column_and_a_row(grid: Path) -> None:
    runs.write_cell(grid, runs.result("base+tied_qkv", 1, 0.4, code_revision="1234567-dirty"))
    (table,) = tables("arms", grid)
    heads = [table.columns[index].head for index in table.printed]
    assert heads[-1] == "code revision" and "device" not in heads
    assert texts(table, 0).count("base+tied_qkv") == 2 and any("1234567-dirty" in said for said in table.warnings)
    (mixed,) = tables("arms", grid, mix=["code"])
    assert rows_of(mixed, "name")["base+tied_qkv"]["accuracy"] == pytest.approx(0.405)


def test_csv_holds_raw_numbers_and_gaps(grid: Path) -> None:
    (table,) = tables("arms", grid)
    rows = {row["name"]: row for row in csv.DictReader(StringIO(FORMATS["csv"](table)))}
    assert float(rows["base"]["accuracy"]) == pytest.approx(0.37) and rows["base"]["run_key"] == runs.run_key("base")
    assert float(rows["base"]["latency_b32_p95_s"]) == pytest.approx(0.0648)
    gaps = ("accuracy_low", "difference_low", "latency_b32_median_s")
    assert {rows["base+tied_qkv"][name] for name in gaps} == {""}
    assert {rows["base+x"][name] for name in ("accuracy", "precision", "train_s", "difference")} == {""}
    assert [row["kind"] for row in rows.values()] == ["arm"] * 3 + ["baseline"] * 2
    assert rows["base"]["flops_forward"] == "12345678"


def test_latencies_are_shown_where_any_was_measured(grid: Path) -> None:
    def shown() -> list[str]:
        (table,) = tables("arms", grid)
        return [column.head for column in table.columns if not column.in_csv_only]

    assert "batch 32, ms (p95) @ tokens" in shown()
    (grid / "costs.json").unlink()
    assert not any("ms (p95)" in head for head in shown())


def test_verdicts_are_shown_where_a_margin_was_registered(tmp_path: Path) -> None:
    (table,) = tables("arms", one_in(tmp_path / "demo", MARGIN))
    assert "verdict" in [table.columns[index].head for index in table.printed]
    assert rows_of(table, "name")["base+a"]["verdict"] == "better"


def test_what_could_have_been_found_stands_below_the_differences(tmp_path: Path) -> None:
    """As in the table of one factor; of families against the base alone, as no other difference is shown."""
    grid = one_in(tmp_path / "demo", MARGIN)
    ((arms,), (one_factor,)) = tables("arms", grid), tables("one_factor", grid)
    powers = [[note for note in table.notes if note.startswith("Power (")] for table in (arms, one_factor)]
    assert powers[0] == powers[1] and [said.partition(":")[0] for said in powers[0]] == [
        "Power (one in)", "Power (placebos and controls)"
    ]  # fmt: skip
    plan = json.loads((grid / "plan.json").read_text())
    levels = {"base+a": ["a"], "base": []}
    plan["designs"] = [{"kind": "one_out", "base": "base+a", "factors": ["a"], "levels": levels}]
    runs.write_registered(grid, plan)
    (arms,) = tables("arms", grid)
    assert not any("one out" in note for note in arms.notes)


def test_no_committed_table_leaves_an_arm_undecided_without_what_could_have_been_found() -> None:
    named = re.compile(r'<a id="(arms_\w+)"></a>(.*?)(?=<a id=|\Z)', re.DOTALL)
    sections = [section for page in RESULTS.rglob("runs.md") for section in named.findall(page.read_text())]
    undecided = {name: text for name, text in sections if "| undecided" in text}
    assert len(undecided) > 10
    assert [name for name, text in undecided.items() if "\nPower (" not in text] == []


def test_every_grid_and_task_has_its_own_table(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    runs.write_cell(loose, runs.result("a", 0, 0.4))
    runs.write_cell(loose, runs.result("b", 0, 0.8, task="imdb"))
    demo = runs.write_grid(tmp_path / "demo", {"base": {0: 0.5}})
    made = tables("arms", loose, demo)
    assert [(table.name, texts(table, 0)) for table in made] == [
        ("t_loose_imdb", ["b"]), ("t_loose_listops", ["a"]), ("t_demo", ["base"]),
    ]  # fmt: skip


def test_oracles_are_told_apart_in_every_format(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.5}})
    record = runs.floors("oracle: mode_of *it*", "majority")
    record["floors"][0] |= {"kind": "ceiling", "accuracy": 0.9}
    runs.write(grid / "floors.json", {**record, "left_out": {"NB-SVM": "asks at tokens"}})
    (table,) = tables("arms", grid)
    marked, latex = markdown(table), FORMATS["tex"](table)
    assert re.search(r"^\| `oracle: mode_of \*it\* \(oracle\)` \| +90\.00 \[88\.6", marked, re.MULTILINE)
    assert re.search(r"^\| `majority \(baseline\)` +\| +17\.00", marked, re.MULTILINE)
    assert "Left out: NB-SVM: asks at tokens." in marked
    rules = [line for line in latex.splitlines() if "rule" in line or "(baseline)" in line or "(oracle)" in line]
    assert [line[:8] for line in rules[2:]] == [r"\midrule", r"\texttt{", r"\midrule", r"\texttt{", r"\bottomr"]
    rows = [(row["kind"], row["accuracy_interval"]) for row in csv.DictReader(StringIO(FORMATS["csv"](table)))]
    assert rows == [("arm", "over seeds"), ("baseline", "over examples"), ("oracle", "over examples")]


def test_a_grid_without_a_finished_run_is_still_shown(tmp_path: Path) -> None:
    (table,) = tables("arms", runs.write_grid(tmp_path / "demo", {"base": {}, "base+x": {}}))
    assert texts(table, 1) == [MISSING, MISSING]
