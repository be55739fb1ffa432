"""The answers of docs/results.md name the cells that they rest on."""

from __future__ import annotations

import re

import pytest

from reports import trace
from tests.processes import ROOT

TRACED = re.compile(r"^swarmformer trace (\S+) (\d+) (\d+)  # (.+): (.+)$", re.MULTILINE)
CELLS = TRACED.findall((ROOT / "docs/results.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("table", "row", "column", "name", "header"), CELLS, ids=[" ".join(one[:3]) for one in CELLS])
def test_a_traced_cell_is_the_one_that_the_page_says(
    table: str, row: str, column: str, name: str, header: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace.main([table, row, column]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [f"row: {name}", f"column: {header}"]


def test_there_is_a_cell_for_each_kind_of_answer() -> None:
    assert len(CELLS) >= 16
