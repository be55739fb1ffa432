"""Definitions: refused with what to do next, their tables complete, one of ones own added by two files."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.build import main
from reports.definition import Definition, read_definitions
from reports.errors import ReportError
from reports.render import Table
from reports.study.build import study
from tests.reports.synthetic_design import write_design
from tests.reports.synthetic_runs import result, write_cell
from tests.reports.tables.made_tables import MARGIN, one_in, tables

OWN = '''
"""Seconds of training, an arm a row."""

from reports.render import Column, Entry, Row, Table
from reports.study.model import Study


def seconds(study: Study, *, unit: str = "s") -> list[Table]:
    rows = [Row((Entry(arm.name), Entry(f"{arm.means['train_s']:.1f}", {"train_s": arm.means["train_s"]}, arm.sources)))
            for grid in study.grids for arm in grid.arms if arm.n]
    return [Table("", "", (Column("arm", is_code=True), Column(f"training, {unit}")), tuple(rows))]
'''


def test_a_kind_of_ones_own_is_one_file_and_one_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_seconds.py").write_text(OWN)
    (tmp_path / "mine").mkdir()
    definition = "title: Training\ntable: own_seconds:seconds\noptions: {unit: sec}\n"
    (tmp_path / "mine" / "seconds.yaml").write_text(definition)
    monkeypatch.syspath_prepend(str(tmp_path))
    grid, out = one_in(tmp_path / "demo"), tmp_path / "out"
    assert main([str(grid), "--out", str(out), "--tables", str(tmp_path / "mine")]) == 0
    assert "| `base` " in (out / "seconds.md").read_text() and "training, sec" in (out / "seconds.tex").read_text()
    assert (out / "arms_demo.csv").exists(), "beside ours"


@pytest.mark.parametrize("name", ["arms", "one_factor", "effects", "peers", "cost", "published", "claims"])
def test_unknown_options_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReportError, match=r"t\.yaml: .*options\.colour"):
        tables(name, one_in(tmp_path / "demo"), colour="red")


def test_nothing_to_show_is_no_table(tmp_path: Path) -> None:
    write_cell(tmp_path / "demo", result("some", 0, 0.5))
    grid = tmp_path / "demo"
    assert tables("one_factor", grid) == tables("effects", grid) == []
    assert tables("peers", grid, peers=["transformer"], ours=["base"]) == []


def test_definitions_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("title: One\n")
    with pytest.raises(ReportError, match=r"(?s)one\.yaml: .*either table: KIND or figure: KIND"):
        read_definitions(tmp_path)
    (tmp_path / "one.yaml").rename(tmp_path / "table3.yaml")
    with pytest.raises(ReportError, match=r"two definitions are named table3\.yaml"):
        read_definitions(tmp_path)
    with pytest.raises(ReportError, match="no definition table9"):
        read_definitions(only=["table9"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Table]:
    folder = tmp_path_factory.mktemp("runs")
    seen = study([one_in(folder / "demo", MARGIN), write_design(folder / "frac", {("windowed",): 0.05})])
    definitions: list[Definition] = [each for each in read_definitions() if each.table]
    numbered = {f"table{number}" for number in range(1, 9)}
    assert {each.name for each in definitions} == {"arms", "lra", "out_of_domain", "solved", "tuning"} | numbered
    return [table for each in definitions for table in each.tables(seen)]


def test_every_definition_makes_tables_with_names_of_their_own(made: list[Table]) -> None:
    assert len({table.name for table in made}) == len(made) == 12
    for table in made:
        assert table.rows and table.notes and all(table.notes), table.name
        for row in table.rows:
            keys = [key for each in row.entries for key in each.raw]
            assert len(set(keys)) == len(keys), (table.name, keys)


def test_no_cell_is_longer_than_a_line(made: list[Table]) -> None:
    for table in made:
        for row in table.rows:
            for index in table.printed:
                most = 80 if table.columns[index].is_code or table.name == "table6" else 45
                assert len(row.entries[index].text) <= most, (table.name, row.entries[index].text)
