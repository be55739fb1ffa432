"""Texts are filled from the tables of committed reports, whole or with the rows that they ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports import readme
from reports.errors import ReportError

TABLE = """- [`table1`](#table1): Title

<a id="table1"></a>

## Title

| model | quantity | ours |
| ----- | -------- | ---: |
| `a`   | accuracy |  1.0 |
| `a`   | F1       |  2.0 |
| `b`   | accuracy |  3.0 |

A note, | with a bar.

<a id="table1_more"></a>

| another |
| ------- |
| `c`     |
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "reports" / "results" / "paper").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "reports" / "results" / "paper" / "page.md").write_text(TABLE)
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    return tmp_path


def filled(root: Path, mark: str) -> list[str]:
    path = root / "docs" / "results.md"
    path.write_text(f"before\n<!-- {mark}:begin -->\nold\n<!-- {mark}:end -->\nafter\n")
    text = readme.filled_files()[path]
    assert text.startswith(f"before\n<!-- {mark}:begin -->") and text.endswith(f"<!-- {mark}:end -->\nafter\n")
    path.write_text(text)
    assert readme.filled_files()[path] == text, "filling again changes nothing"
    assert "(../reports/results/paper/page.md#table1)" in text and "old" not in text
    return [line for line in text.splitlines() if line.startswith("|")][2:]


def test_a_place_is_filled_with_the_whole_table(root: Path) -> None:
    assert filled(root, "table1") == TABLE.splitlines()[8:11]


def test_or_with_the_rows_that_it_asks_for(root: Path) -> None:
    rows = TABLE.splitlines()[8:11]
    assert filled(root, "table1 only accuracy") == [rows[0], rows[2]]
    assert filled(root, "table1 only b, F1") == rows[1:]
    assert filled(root, "table1 only acc*") == [rows[0], rows[2]]


@pytest.mark.parametrize(
    ("mark", "reason"), [("table1 only c", "asks for c of table1"), ("table9", "no table of that name")]
)
def test_what_no_report_has_is_said(mark: str, reason: str, root: Path) -> None:
    (root / "README.md").write_text(f"<!-- {mark}:begin -->\n<!-- {mark}:end -->\n")
    with pytest.raises(ReportError, match=reason):
        readme.filled_files()
