"""A folder of files is replaced whole, or left as it was."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.errors import ReportError
from reports.render.escape import inert
from reports.site.folder import write_site
from reports.written import write_together

OLD, NEW = {"a.md": b"old", "below/b.csv": b"old"}, {"a.md": b"new", "below/b.csv": b"new", "c.png": b"x" * 9000}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_replaced_and_others_stay(tmp_path: Path) -> None:
    write_together(tmp_path / "out", {**OLD, "mine.txt": b"mine"})
    write_together(tmp_path / "out", NEW)
    assert contents(tmp_path / "out") == {**NEW, "mine.txt": b"mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("write", [write_together, write_site])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, write: Callable[..., None]) -> None:
    """The limit on a file's size stops the write where a full disk would, in the middle of the last file."""
    write(tmp_path / "out", OLD)
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ReportError, match=r"out: cannot be written: File too large; what was there is left"):
            write(tmp_path / "out", NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == before


def test_no_file_is_made_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/x"), Path(os.devnull)):
        with pytest.raises(ReportError, match=r"not a folder|cannot be written"):
            write_together(place, NEW)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_cell_that_a_spreadsheet_would_compute_is_a_text() -> None:
    formulas = ("=1+1", "+1", "-x", "@SUM(A1)", "\t=1", "\r=1")
    assert [inert(text) for text in formulas] == [f"'{text}" for text in formulas]
    assert [inert(value) for value in ("base+x", "", -1.5, None)] == ["base+x", "", -1.5, None]
