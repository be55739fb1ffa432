"""The index of a grid's folder is a cache: whatever becomes of it, the cells' own files are what counts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from experiments import index as indexing
from experiments.index import INDEX, Index
from experiments.status import Status, glance
from swarmformer.records import RESULT
from tests.reports import synthetic_runs as runs

CELLS = 12


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of finished cells, whose files count as settled at once."""
    monkeypatch.setattr(indexing, "SETTLED_S", -1.0)
    runs.write_grid(tmp_path / "grid", {"base": {seed: 0.5 for seed in range(CELLS)}}, seeds=range(CELLS))
    return tmp_path / "grid"


def cells(grid: Path) -> list[Path]:
    return sorted(path for path in grid.iterdir() if path.is_dir())


def look(grid: Path) -> tuple[list[tuple[Status, str]], int]:
    """What an index says of all cells, and how many of them it had to read; it is kept then."""
    index = Index(grid)
    seen = [index.glance(place) for place in cells(grid)]
    index.keep()
    return seen, index.read


def test_a_finished_cell_is_read_once(grid: Path) -> None:
    assert look(grid) == ([(Status.COMPLETED, "")] * CELLS, CELLS)
    assert look(grid) == ([(Status.COMPLETED, "")] * CELLS, 0)
    done = Index(grid).look(cells(grid)[0])[2]
    assert done is not None and (done.seconds, done.data_key) == (12.25, runs.DATA)


@pytest.mark.parametrize("content", [
    b"", b"{", b"\xff\xfe", b"[1]", b"null", b'{"reader": 1}', b'{"done": {}}', b"[" * 100_000,
    b'{"reader": "READER", "done": [1]}', b'{"reader": "READER", "done": {"base-0": [1, 2]}}',
    b'{"reader": "READER", "done": {"base-0": [[1, 2, 3, 4], 1.0, "made up"]}}',
])  # fmt: skip
def test_a_damaged_index_is_made_anew(grid: Path, content: bytes) -> None:
    look(grid)
    (grid / INDEX).write_bytes(content.replace(b"READER", indexing._reader().encode()))
    assert look(grid) == ([(Status.COMPLETED, "")] * CELLS, CELLS)
    assert look(grid)[1] == 0


def test_a_deleted_index_or_one_of_another_version_is_made_anew(
    grid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(grid)
    (grid / INDEX).unlink()
    assert look(grid)[1] == CELLS
    monkeypatch.setattr(indexing, "_reader", lambda: "another version")
    assert look(grid)[1] == CELLS


def test_what_became_of_a_cell_since_is_seen(grid: Path) -> None:
    """Damaged in place with size and time of modification as they were, replaced, taken away, or failed anew."""
    look(grid)
    damaged, replaced, gone, failed, *others = cells(grid)
    before = (damaged / RESULT).stat()
    content = (damaged / RESULT).read_bytes()
    (damaged / RESULT).write_bytes(b"x" + content[1:])
    os.utime(damaged / RESULT, ns=(before.st_atime_ns, before.st_mtime_ns))
    runs.write(replaced / RESULT, {**json.loads((replaced / RESULT).read_text()), "seconds": {"train": 1, "total": 2}})
    for place in (gone, failed):
        (place / RESULT).unlink()
    (gone / "config.json").unlink()
    runs.write(failed / "failure.json", runs.failure("base", 3, "burnt"))
    seen, read = look(grid)
    assert seen == [glance(place) for place in cells(grid)], "an index never says otherwise than the files"
    assert [status for status, _ in seen[:4]] == [
        Status.UNREADABLE, Status.COMPLETED, Status.PENDING, Status.FAILED,
    ]  # fmt: skip
    assert read == 1 and len(others) == CELLS - 4
    found = Index(grid).look(replaced)[2]
    assert found is not None and found.seconds == 2


def test_a_file_that_changed_just_now_is_read_again(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks of file systems are coarse: it might change once more and look the same."""
    monkeypatch.setattr(indexing, "SETTLED_S", 3600.0)
    assert look(grid)[1] == CELLS and look(grid)[1] == CELLS
    assert not (grid / INDEX).exists()


def test_two_writers_lose_nothing_that_cannot_be_read_again(grid: Path) -> None:
    """Each keeps what it saw, the last one's stays; a third takes that and reads the rest."""
    first, second = Index(grid), Index(grid)
    places = cells(grid)
    for place in places[:8]:
        first.look(place)
    for place in places[6:]:
        second.look(place)
    first.keep()
    second.keep()
    assert look(grid) == ([(Status.COMPLETED, "")] * CELLS, 6)
    assert look(grid)[1] == 0


def test_a_folder_that_cannot_be_written_to_goes_without(grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(indexing, "write_bytes_atomically", refused)
    assert look(grid)[1] == CELLS and look(grid)[1] == CELLS
