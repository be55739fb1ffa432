"""Tables 1 and 4: published numbers and measurements of cost, present and missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports.definition import read_definitions
from reports.errors import ReportError
from reports.measured import RESULTS
from reports.published import read_published
from reports.render import MISSING, Table
from reports.study.build import study
from tests.reports.synthetic_measurements import scaling, scaling_row
from tests.reports.synthetic_runs import metrics, result, write, write_cell
from tests.reports.tables.made_tables import entry, rows_of, ruled, tables


def table1(*grids: Path) -> Table:
    (definition,) = read_definitions(only=["table1"])
    (table,) = definition.tables(study(grids))
    return table


def run(
    grid: Path, seed: int, lr: float, accuracy: float, best_on_test: float | None = None, arm: str = "", **dims: int
) -> Path:
    """A run of Small on IMDb with this recipe; ``dims`` make it another model."""
    sizes = {"d_model": 128, "num_layers": 2, "cluster_size": 8, "seq_len": 256, **dims}
    spec = {
        "model": {"dims": sizes, "local": {"T_local": 3}},
        "data": {"task": {"name": "imdb", "limit": 0}},
        "train": {"lr": lr, "epochs": 2, "batch_size": 96, "weight_decay": 0.05, "precision": "fp32"},
    }
    key = f"{lr}{sorted(dims.items())}"
    record = result("original_small", seed, accuracy, task="imdb", run_key=key)
    record["arm"] = arm or record["arm"]
    record["metrics"] = {"validation": metrics(accuracy), "test": {**metrics(accuracy), "f1": 0.8}}
    record["parameters"] = {"total": 4_302_850, "without_embedding": 396_034}
    if best_on_test:
        record["published_reading"] = {"accuracy": best_on_test, "epoch": 1, "readings": 2}
    cell = write_cell(grid, record, f"{arm}-{key}-{seed}")
    config = json.loads((cell / "config.json").read_text())
    write(cell / "config.json", {**config, "spec": spec})
    return cell


def test_what_was_selected_on_test_is_a_row_of_its_own_where_each_run_has_it(tmp_path: Path) -> None:
    for seed, lr, best in ((0, 5e-4, 0.861), (1, 5e-4, 0.863), (0, 2e-3, 0.87), (1, 2e-3, None)):
        run(tmp_path / "mine", seed, lr, 0.85, best)
    rows = [row for row in table1(tmp_path / "mine").rows if row.title == "original_small, accuracy"]
    found = [(row.entries[1].text, row.entries[4].raw["ours"]) for row in rows]
    assert found == [("accuracy", 0.85), ("accuracy", 0.85), ("accuracy, best on test", pytest.approx(0.862))]
    assert rows[2].entries[5].text.startswith("+0.00 points"), "published 86.20"


def test_arms_of_one_grid_are_named(tmp_path: Path) -> None:
    run(tmp_path / "alone", 0, 5e-4, 0.85)
    for arm, lr in (("one", 5e-4), ("two", 2e-3)):
        run(tmp_path / "both", 0, lr, 0.85, arm=arm)
    rows = [row for row in table1(tmp_path / "alone", tmp_path / "both").rows if row.entries[1].text == "accuracy"]
    found = [row.entries[7].text for row in rows if row.entries[4].sources]
    assert found == ["alone", "both: one", "both: two"]


def test_unlike_recipes_are_rows_of_their_own(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.84, 0.86)):
        run(tmp_path / "mine", seed, 5e-4, accuracy)
    run(tmp_path / "mine", 0, 2e-3, 0.80)
    run(tmp_path / "mine", 0, 1e-4, 0.99, d_model=64)
    table = table1(tmp_path / "mine")
    scores = [row for row in table.rows if row.title == "original_small, accuracy"]
    assert [(row.entries[4].raw["ours"], row.entries[6].text) for row in scores] == [
        (pytest.approx(0.85), "2"), (pytest.approx(0.80), "1")
    ]  # fmt: skip
    assert scores[0].entries[5].text.startswith("−1.20 points"), "published 86.20"
    assert "learning rate 0.0005" in scores[0].detail[0]
    assert len(scores[0].entries[4].sources) == 2
    assert scores[0].entries[2].sources == ("published.yaml#small_accuracy",)
    assert any("model.dims.d_model is 64, not 128" in note for note in table.notes)


def test_what_was_not_measured_is_missing_with_the_reason(tmp_path: Path) -> None:
    write_cell(tmp_path / "other", result("base", 0, 0.5))
    table = table1(tmp_path / "other")
    asked = [number for number in read_published().numbers if number.model in ("original_small", "original_base")]
    shown = {source for row in table.rows for source in row.entries[2].sources}
    assert {number.source for number in asked if number.quantity in ("accuracy", "f1", "peak_memory")} <= shown
    for row in table.rows:
        if row.entries[1].text not in ("parameters", "time of a batch", "peak memory"):
            assert row.entries[4].text == MISSING and row.entries[4].raw["ours"] is None
            assert "Ours: no" in row.detail[0] or "Ours: advice" in row.detail[0]


def test_parameters_are_counted_without_a_run(tmp_path: Path) -> None:
    write_cell(tmp_path / "other", result("base", 0, 0.5))
    rows = [row for row in table1(tmp_path / "other").rows if row.entries[1].text == "parameters"]
    assert [(row.entries[0].text, row.entries[4].text, row.entries[5].text) for row in rows] == [
        ("original_small", "4,302,850 (396,034)", "agrees as printed"),
        ("original_base", "6,749,186 (888,962)", "agrees as printed"),
    ]


def test_what_a_gpu_gave_stands_beside_what_was_published(tmp_path: Path) -> None:
    """The committed figures: forward passes of 256 texts in bf16, with their card in what is said below the table."""
    write_cell(tmp_path / "other", result("base", 0, 0.5))
    rows = [row for row in table1(tmp_path / "other").rows if row.entries[7].text == "cost/gpu"]
    found = {(row.entries[0].text, row.entries[1].text): row for row in rows}
    assert set(found) == {("original_small", "time of a batch"), ("original_base", "time of a batch"),
                          ("original_base", "peak memory")}  # fmt: skip
    passes = json.loads((RESULTS / "cost" / "gpu" / "gpu.json").read_text())["rows"]
    (base,) = (one for one in passes if (one["variant"], one["mode"]) == ("original_base", "forward"))
    timed, memory = found["original_base", "time of a batch"], found["original_base", "peak memory"]
    assert timed.entries[4].raw["ours"] == base["median_s"] and memory.entries[4].raw["ours"] == base["peak_bytes"]
    assert timed.entries[5].text == f"× {base['median_s'] / 4.83e-3:.2f}"
    assert "NVIDIA H100 80GB HBM3, bf16, eager" in timed.detail[0]


def row(variant: str, length: int, flops: int, median_s: float, share: float = 0.5) -> dict[str, Any]:
    grown = {"growth_bytes": 2**20 * length, "of_first": {"value": 1.5, "low": 1.4, "high": 1.6}}
    return {**scaling_row(variant, length, flops, median_s, share), **grown}


def measured(folder: Path, *rows: dict[str, Any]) -> Path:
    gaps = [{"variant": "base+other", "length": 768, "reason": "too large"}]
    write(folder / "costs.json", scaling(*rows, missing=gaps, growth=[]))
    return folder


def cost(folder: Path, tmp_path: Path, lengths: tuple[int, ...] = (256, 768, 4096)) -> list[Table]:
    write_cell(tmp_path / "any", result("base", 0, 0.5))
    return tables("cost", tmp_path / "any", measured={"forward": str(folder)}, lengths=list(lengths), base="base")


def test_cost_by_length_with_what_is_missing(tmp_path: Path) -> None:
    rows = (row("base", 256, 100, 0.01), row("base+other", 256, 150, 0.015), row("base", 768, 300, 0.03))
    (table,) = cost(measured(tmp_path / "scaling", *rows), tmp_path)
    assert len(table.rows) == 6 and ruled(table) == [0, 2, 4]
    first, other, _, gap, never, _ = [row.entries for row in table.rows]
    assert [each.text for each in first[3:9]] == ["100", "1.00", "10.0", "9.00 to 11.0", "1.50 [1.40, 1.60]", "5"]
    assert other[4].raw["flops_ratio"] == 1.5 and other[9].text == "256"
    assert all(each.text == MISSING for each in (*gap[2:], *never[2:]))
    assert "Missing: base+other at 768 tokens: too large." in table.notes
    assert "Missing: 4,096 tokens were not asked for in this measurement." in table.notes
    assert rows_of(table, "variant")["base"]["flops"] is None, "the last row of base is that of 4,096"
    assert entry(table, "variant", "base", "flops").sources == (f"{tmp_path / 'scaling'}/costs.json",)


def test_cost_above_physics_or_of_another_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="faster than its machine"):
        cost(measured(tmp_path / "a", row("base", 256, 100, 0.01, share=1.2)), tmp_path)
    with pytest.raises(ReportError, match="the table's base is base"):
        cost(measured(tmp_path / "b", row("enhanced", 256, 100, 0.01)), tmp_path)
    assert cost(tmp_path / "nothing", tmp_path) == []
