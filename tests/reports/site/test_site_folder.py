"""Writing the page loses nothing of anyone else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.errors import ReportError
from reports.site.folder import MARK, write_site

FILES = {"index.html": b"<p>", "data/index.js": b"1", "data/runs/0.js": b"2"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_replaces_its_former_self_and_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    out = tmp_path / "new" / "site"
    write_site(out, FILES)
    assert content(out).keys() == {*FILES, MARK}
    (out / "notes.txt").write_text("mine")
    write_site(out, {"index.html": b"<h1>"})
    assert content(out).keys() == {"index.html", "notes.txt", MARK}
    assert (out / "index.html").read_bytes() == b"<h1>"
    write_site(out, FILES)
    assert content(out).keys() == {*FILES, "notes.txt", MARK}


def test_a_folder_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ReportError, match=r"not empty, and not a page of ours.*--out"):
        write_site(tmp_path, FILES)
    assert content(tmp_path) == {"thesis.tex": b"years of work"}
    with pytest.raises(ReportError, match="not a folder"):
        write_site(tmp_path / "thesis.tex", FILES)


def test_a_file_of_anothers_in_the_place_of_ours_is_refused(tmp_path: Path) -> None:
    write_site(tmp_path, {"index.html": b""})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "index.js").write_text("mine")
    with pytest.raises(ReportError, match=r"data/index\.js is not of a former page"):
        write_site(tmp_path, FILES)
    assert (tmp_path / "data" / "index.js").read_text() == "mine"


@pytest.mark.parametrize("names", [["../victim"], ["/etc/hostname"], ["link/victim"], "victim", [3]])
def test_a_mark_that_names_what_is_not_in_the_folder_is_refused(tmp_path: Path, names: object) -> None:
    (tmp_path / "victim").write_text("dear")
    out = tmp_path / "site"
    out.mkdir()
    (out / "link").symlink_to(tmp_path)
    (out / MARK).write_text(json.dumps({"files": names}))
    with pytest.raises(ReportError, match="--out"):
        write_site(out, FILES)
    assert (tmp_path / "victim").read_text() == "dear" and not (out / "index.html").exists()
