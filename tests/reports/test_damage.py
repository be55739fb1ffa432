"""A run that is deleted, damaged or of another revision is reported, and changes no entry that is not made of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.definition import for_any_runs, read_definitions
from reports.render import Table
from reports.report import status_markdown
from reports.study.build import study
from tests.reports.synthetic_design import write_design

TOUCHED = "base+windowed+multi_head+pyramid+gumbel-1"
Entries = dict[tuple[str, str, str], tuple[str, tuple[tuple[str, object], ...], tuple[str, ...]]]
DEFINITIONS = for_any_runs(read_definitions())


def delete(cell: Path) -> None:
    shutil.rmtree(cell)


def corrupt(cell: Path) -> None:
    path = cell / "result.json"
    path.write_bytes(path.read_bytes()[:100])


def revise(cell: Path) -> None:
    record = json.loads((cell / "result.json").read_text())
    (cell / "result.json").write_text(json.dumps({**record, "code_revision": "1234567"}))


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "deleted": (delete, "PENDING"), "damaged": (corrupt, "UNREADABLE"), "other revision": (revise, "1234567"),
}  # fmt: skip


def tables(grid: Path) -> list[Table]:
    seen = study([grid])
    return [table for definition in DEFINITIONS for table in definition.tables(seen)]


def entries(made: list[Table], touched: str) -> Entries:
    """Table, row and column → entry, of all entries that are not made of the touched run."""
    found: Entries = {}
    for table in made:
        for row in table.rows:
            cells = list(zip(table.columns, row.entries, strict=True))
            names = " ".join(entry.text for column, entry in cells if column.is_code)
            for column, entry in cells:
                if touched not in entry.sources:
                    place = table.name, names or row.title, column.head
                    found[place] = entry.text, tuple(entry.raw.items()), entry.sources
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_design(tmp_path_factory.mktemp("whole") / "demo", {("windowed",): 0.02})


@pytest.fixture(scope="module")
def before(whole: Path) -> list[Table]:
    return tables(whole)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_touched_run_is_reported_and_changes_nothing_else(
    whole: Path, before: list[Table], tmp_path: Path, kind: str
) -> None:
    grid = Path(shutil.copytree(whole, tmp_path / "demo"))
    touched = f"demo/{TOUCHED}"
    assert any(touched in entry.sources for table in before for row in table.rows for entry in row.entries)
    damage, said = DAMAGE[kind]
    damage(grid / TOUCHED)
    after = tables(grid)
    warnings = " ".join(warning for table in after for warning in table.warnings)
    assert said in status_markdown(study([grid]).grids) + warnings
    kept, now = entries(before, touched), entries(after, touched)
    assert kept, "there are entries that the run does not touch"
    changed = {place for place, entry in kept.items() if now.get(place) != entry}
    assert not changed
