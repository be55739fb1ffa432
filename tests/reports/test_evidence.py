"""Committed evidence: reports follow from runs byte for byte, and the README's tables from the reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from reports.manifest import read_manifest

from reports.committed import differences
from reports.cost import FOLDER as COST
from reports.errors import ReportError
from reports.readme import ROOT, filled

FOLDERS = sorted(path.parent for path in (ROOT / "reports" / "results").glob("*/report"))


def test_there_is_evidence() -> None:
    assert {"demo", "imdb_small", "imdb_learning_rate"} <= {folder.name for folder in FOLDERS}


def test_evidence_tells_no_paths_of_the_machine_it_was_made_on() -> None:
    paths = [path for folder in (*FOLDERS, COST) for path in folder.rglob("*")]
    texts = [path for path in paths if path.suffix in (".json", ".txt", ".md")]
    assert texts
    told = [path for path in texts if re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", path.read_text())]
    assert told == []


def test_committed_reports_follow_from_the_committed_runs() -> None:
    assert differences() == [], "look at the runs; then python -m reports.build --all"


def test_the_manifest_has_every_report() -> None:
    made = {path.parent for path in (ROOT / "reports" / "results").rglob("sources.json")}
    assert {committed.out for committed in read_manifest()} == made
    assert {folder / "report" for folder in FOLDERS} < made


def test_the_readme_asks_for_tables() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- demo:begin -->" in text and "<!-- imdb_small:begin -->" in text


def test_a_place_without_evidence_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"asks for nothing, but there is no reports.results.nothing"):
        filled("<!-- nothing:begin -->\n<!-- nothing:end -->", tmp_path)
