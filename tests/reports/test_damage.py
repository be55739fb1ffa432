"""A run that is deleted, damaged or of another revision is reported, and changes no entry that is not made of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from reports.layout import head
from reports.makers import MAKERS
from reports.sheet import Sheet
from reports.status import status_markdown

from reports.definition import for_any_runs
from reports.evidence import gather
from tests.reports.synthetic_design import write_design

TOUCHED = "base+windowed+multi_head+pyramid+gumbel-1"
Entries = dict[tuple[str, str, str], tuple[str, tuple[tuple[str, object], ...], tuple[str, ...]]]
DEFINITIONS = [definition for definition in for_any_runs() if definition.table is not None]


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


def sheets(grid: Path) -> list[Sheet]:
    evidence = gather([grid])
    return [sheet for definition in DEFINITIONS for sheet in MAKERS[str(definition.table)](evidence, definition)]


def entries(made: list[Sheet], touched: str) -> Entries:
    """Sheet, row and column → entry, of all entries that are not made of the touched run."""
    found: Entries = {}
    for sheet in made:
        for row in sheet.rows:
            names = " ".join(entry.text for entry, column in zip(row, sheet.columns, strict=True) if column.is_code)
            for column, entry in zip(sheet.columns, row, strict=True):
                if touched not in entry.sources:
                    place = sheet.name, names or row[0].text, head(column)
                    found[place] = entry.text, tuple(entry.raw.items()), entry.sources
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_design(tmp_path_factory.mktemp("whole") / "demo", {("windowed",): 0.02})


@pytest.fixture(scope="module")
def before(whole: Path) -> list[Sheet]:
    return sheets(whole)


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_touched_run_is_reported_and_changes_nothing_else(
    whole: Path, before: list[Sheet], tmp_path: Path, kind: str
) -> None:
    grid = Path(shutil.copytree(whole, tmp_path / "demo"))
    touched = f"demo/{TOUCHED}"
    assert any(touched in entry.sources for sheet in before for row in sheet.rows for entry in row)
    damage, said = DAMAGE[kind]
    damage(grid / TOUCHED)
    after = sheets(grid)
    warnings = " ".join(warning for sheet in after for warning in sheet.warnings)
    assert said in status_markdown(gather([grid]).grids) + warnings
    kept, now = entries(before, touched), entries(after, touched)
    assert kept, "there are entries that the run does not touch"
    changed = {place for place, entry in kept.items() if now.get(place) != entry}
    assert not changed
