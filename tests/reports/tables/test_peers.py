"""Peers beside the baselines of their data, and the best arm of a fraction."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from reports.study.build import study
from tests.reports.synthetic_design import write_design
from tests.reports.synthetic_runs import floors, result, write, write_cell
from tests.reports.tables.made_tables import entry, one_in, rows_of, ruled, tables, texts

SHOWN = {"peers": ["transformer"], "ours": ["base"]}


def test_peers_stand_beside_the_best_baseline_of_their_data(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo")
    rows = floors("majority class", accuracy=0.2)["floors"] + floors("NB-SVM", accuracy=0.5)["floors"]
    oracle = {**rows[0], "name": "oracle", "kind": "ceiling", "accuracy": 0.9}
    write(grid / "floors.json", {**floors(), "floors": [oracle, *rows]})
    (table,) = tables("peers", grid, **SHOWN)
    assert texts(table, 1) == ["base", "transformer", "majority class", "NB-SVM", "oracle"]
    assert texts(table, 2) == ["ours", "peer", "baseline", "best baseline", "oracle"] and ruled(table) == [0, 2, 4]
    row, (seen,) = rows_of(table, "arm")["transformer"], study([grid]).grids
    peer = seen.arm("transformer")
    assert peer is not None and row["difference"] == pytest.approx(0.61 - 0.5)
    above = seen.best_baseline.below(peer)
    assert above is not None and (row["difference_low"], row["difference_high"]) == (above.low, above.high)
    assert set(entry(table, "arm", "transformer", "difference").sources) == {
        "demo/floors.json", *(f"demo/transformer-{seed}" for seed in range(3))
    }  # fmt: skip


def test_arms_are_held_against_whole_texts_and_against_what_they_read(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo")
    (table,) = tables("peers", grid, **SHOWN)
    assert "to the best on the same cut, points" not in [each.head for each in table.columns if not each.in_csv_only]
    rows = floors("NB-SVM", accuracy=0.8)["floors"] + floors("NB-SVM, cut to 9 tokens", accuracy=0.5)["floors"]
    write(grid / "floors.json", {**floors(), "floors": rows})
    (table,) = tables("peers", grid, **SHOWN)
    row = rows_of(table, "arm")["transformer"]
    assert row["difference"] == pytest.approx(0.61 - 0.8) and row["difference_on_cut"] == pytest.approx(0.61 - 0.5)


def test_baselines_of_other_data_do_not_count(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo")
    write(grid / "floors.json", floors("NB-SVM", accuracy=0.5, data_key="other"))
    (table,) = tables("peers", grid, **SHOWN)
    assert rows_of(table, "arm")["transformer"]["difference"] is None and "NB-SVM" not in texts(table, 1)


def test_grids_on_the_same_data_share_a_section(tmp_path: Path) -> None:
    one, two = one_in(tmp_path / "one"), tmp_path / "two"
    write(one / "floors.json", floors("NB-SVM", accuracy=0.5))
    write_cell(two, result("transformer", 0, 0.7))
    (table,) = tables("peers", one, two, **SHOWN)
    assert texts(table, 1) == ["base", "transformer", "transformer", "NB-SVM"]
    assert math.isclose(rows_of(table, "grid")["two"]["difference"], 0.2)


def test_the_best_arm_is_chosen_over_the_seeds_that_all_arms_have(tmp_path: Path) -> None:
    """A seed that only some arms have may have drawn an easier split."""
    grid = write_design(tmp_path / "frac", {}, noise=0.0)
    arms = sorted({path.parent.name.rsplit("-", 1)[0] for path in grid.glob("*/result.json")})
    for place, arm in enumerate(arms):
        for seed in range(3):
            path = grid / f"{arm}-{seed}" / "result.json"
            record = json.loads(path.read_text())
            record["metrics"]["validation"]["accuracy"] = (0.70 if place == 5 else 0.69) + (0.2 if seed == 2 else 0)
            write(path, record)
        if place != 6:
            shutil.rmtree(grid / f"{arm}-2")
    (table,) = tables("peers", grid, peers=["transformer"], ours=["original"])
    assert texts(table, 1) == [arms[5]], "its mean over all of its seeds is lower than that of the arm with three"


def test_the_best_arm_is_chosen_on_the_validation_split(tmp_path: Path) -> None:
    grid = write_design(tmp_path / "frac", {("windowed",): 0.05}, noise=0.0)
    chosen = "base+multi_head+routing+tied_qkv+pyramid"
    for seed in range(3):
        path = grid / f"{chosen}-{seed}" / "result.json"
        record = json.loads(path.read_text())
        record["metrics"]["validation"]["accuracy"] = 0.99
        write(path, record)
    (table,) = tables("peers", grid, peers=["transformer"], ours=["original"])
    assert [(row.entries[1].text, row.entries[2].text) for row in table.rows] == [(chosen, "best of 16 by validation")]
    sources = {source for each in table.rows[0].entries for source in each.sources}
    assert len({source.rsplit("-", 1)[0] for source in sources}) == 16, "any run might have put another arm there"
