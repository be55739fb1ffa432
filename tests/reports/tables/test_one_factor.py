"""Differences to a base: what the study says of each stands in its row, and every number with its sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports.study.build import study
from tests.reports.synthetic_runs import result, write_cell
from tests.reports.tables.made_tables import MARGIN, SCORES, entry, one_in, rows_of, ruled, tables, texts


def test_every_row_says_what_the_study_says(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    (table,) = tables("one_factor", grid, leave_out=["peers"])
    (seen,) = study([grid]).grids
    rows = rows_of(table, "arm")
    for name, expected in (("base+a", "better"), ("placebo", "undecided")):
        contrast = seen.contrast("difference", name, "base")
        assert contrast is not None and contrast.interval is not None
        row = rows[name]
        assert row["difference"] == pytest.approx(np.subtract(SCORES[name], SCORES["base"]).mean())
        assert [row["difference_low"], row["difference_high"], row["p"], row["p_holm"]] == [
            contrast.interval.low, contrast.interval.high, contrast.p, contrast.p_holm
        ]  # fmt: skip
        assert row["verdict"] == contrast.verdict == expected
    assert rows["base+a"]["factor"] == "a" and entry(table, "arm", "base", "accuracy").text.startswith("71.00 [")
    assert any(note.startswith("Better (interval off zero") and "base+a" in note for note in table.notes)


def test_families_are_parted_and_peers_left_out_where_asked(tmp_path: Path) -> None:
    (table,) = tables("one_factor", one_in(tmp_path / "demo"), leave_out=["one in"])
    assert "base+a" not in texts(table, 1)
    (whole,) = tables("one_factor", one_in(tmp_path / "demo"))
    assert texts(whole, 1)[:3] == ["base", "base+a", "base+b"] and len(ruled(whole)) >= 2
    assert ruled(whole)[0] == 0


def test_without_a_registered_margin_there_is_no_verdict(tmp_path: Path) -> None:
    (table,) = tables("one_factor", one_in(tmp_path / "demo"))
    assert rows_of(table, "arm")["base+a"]["verdict"] is None
    assert any("No margin was registered" in note for note in table.notes)


def test_an_entry_changes_only_with_the_runs_that_it_lists(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    (before,) = tables("one_factor", grid)
    write_cell(grid, result("base+a", 1, 0.9))
    (after,) = tables("one_factor", grid)
    pairs = [(a, b) for old, new in zip(before.rows, after.rows, strict=True)
             for a, b in zip(old.entries, new.entries, strict=True)]  # fmt: skip
    changed = [old for old, new in pairs if (old.text, dict(old.raw)) != (new.text, dict(new.raw))]
    assert changed and all("demo/base+a-1" in old.sources for old in changed), changed


def test_missing_runs_are_told_and_never_zero(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    for seed in range(3):
        (grid / f"base+a-{seed}" / "result.json").unlink()
    (grid / "base+b-0" / "result.json").write_text("{")
    (table,) = tables("one_factor", grid)
    row = rows_of(table, "arm")["base+a"]
    assert row["accuracy"] is None and row["difference"] is None and row["n"] == 0
    assert entry(table, "arm", "base+b", "n").text == "2 of 3 seeds"
    said = " ".join(table.warnings)
    assert "base+a-0 (INCOMPLETE)" in said and "base+b-0/result.json (UNREADABLE)" in said


def test_two_revisions_are_not_mixed_unless_asked(tmp_path: Path) -> None:
    grid = one_in(tmp_path / "demo", MARGIN)
    write_cell(grid, result("base+a", 0, 0.99, code_revision="fff0000"))
    (table,) = tables("one_factor", grid)
    assert rows_of(table, "arm")["base+a"]["accuracy"] == pytest.approx((0.77 + 0.76) / 2)
    assert any("demo/base+a-0" in said for said in table.warnings)
    (mixed,) = tables("one_factor", grid, mix=["code"])
    assert rows_of(mixed, "arm")["base+a"]["accuracy"] == pytest.approx((0.77 + 0.76 + 0.99) / 3)
