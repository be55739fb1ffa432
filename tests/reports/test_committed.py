"""``--check`` finds a planted change in every kind of file, and ``--all`` mends it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.committed import ROOT, committed_reports, differences, rewrite
from reports.errors import ReportError
from reports.readme import filled_files
from tests.reports import synthetic_runs as runs

ENTRY = "- {out: results/demo/report, runs: [results/demo], tables: [arms, figure1]}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one report, the cost tables and a README, all as made."""
    root = tmp_path_factory.mktemp("checkout")
    runs.write_grid(root / "reports" / "results" / "demo", {"base": {0: 0.3, 1: 0.4}, "x": {0: 0.5}})
    shutil.copytree(ROOT / "reports" / "results" / "cost", root / "reports" / "results" / "cost")
    (root / "reports" / "reports.yaml").write_text(ENTRY)
    places = [f"<!-- {name}:begin -->\n<!-- {name}:end -->\n" for name in ("arms_demo", "cost/speed")]
    (root / "README.md").write_text("".join(["# Title\n", *places]))
    (root / "docs").mkdir()
    (root / "docs" / "results.md").write_text(places[0])
    list(rewrite(root))
    return root


@pytest.fixture
def checkout(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "checkout")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def plant_in_parquet(folder: Path) -> None:
    frame = pd.read_parquet(folder / "results.parquet")
    frame.loc[0, "accuracy"] += 1e-9
    frame.to_parquet(folder / "results.parquet", index=False)


REPORT = "reports/results/demo/report"
PLANTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "arms_demo.md": (lambda f: replace(f / "arms_demo.md", "35.00", "36.00"), r"arms_demo.md: line 7 is .*36\.00"),
    "arms_demo.csv": (lambda f: replace(f / "arms_demo.csv", "0.35", "0.36"), "arms_demo.csv: line 2 is"),
    "arms_demo.tex": (lambda f: replace(f / "arms_demo.tex", "midrule", "hline"), "arms_demo.tex: line"),
    "arms_demo.html": (lambda f: replace(f / "arms_demo.html", "<td", "<th"), "arms_demo.html: line"),
    "status.md": (lambda f: replace(f / "status.md", "COMPLETED 3", "COMPLETED 4"), "status.md: line 3 is 'COMPL"),
    "sources.json": (lambda f: replace(f / "sources.json", "demo/base-0", "demo/base-1"), "sources.json: line"),
    "figure1.csv": (lambda f: replace(f / "figure1.csv", ",base,", ",bass,"), "figure1.csv: line 2"),
    "results.parquet": (plant_in_parquet, "results.parquet: holds another table"),
    "not parquet": (lambda f: (f / "results.parquet").write_bytes(b"PAR1"), "results.parquet: not a table"),
    "missing": (lambda f: (f / "figure1.svg").unlink(), "figure1.svg: missing"),
    "empty": (lambda f: (f / "figure1.png").write_bytes(b""), "figure1.png: empty"),
    "extra": (lambda f: (f / "table.md").write_text("old"), "table.md: no report has this file"),
    "longer": (lambda f: (f / "status.md").write_bytes((f / "status.md").read_bytes() + b"more\n"), "made again"),
    "cost": (lambda f: replace(f.parents[1] / "cost" / "scaling.md", "median", "mean"), "cost/scaling.md: line"),
    "readme": (lambda f: replace(f.parents[3] / "README.md", "35.00", "36.00"), "README.md: line"),
    "docs": (lambda f: replace(f.parents[3] / "docs" / "results.md", "35.00", "36.00"), "docs/results.md: line"),
    "result": (
        lambda f: replace(f.parent / "base-0" / "result.json", '"accuracy": 0.3,', '"accuracy": 0.31,'),
        "arms_demo.md: line",
    ),
    "all gone": (shutil.rmtree, "status.md: missing"),
}  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_change_is_found_and_named(checkout: Path, plant: str) -> None:
    assert differences(checkout) == []
    change, said = PLANTS[plant]
    change(checkout / REPORT)
    found = differences(checkout)
    assert any(re.search(said, line) for line in found), found
    if plant not in ("result", "all gone", "arms_demo.md"):  # README and docs are made from the last
        assert len(found) == 1


def test_rewriting_mends_all_and_removes_what_no_report_has(checkout: Path) -> None:
    folder = checkout / REPORT
    (folder / "table.md").write_text("old")
    (folder / "arms_demo.md").unlink()
    replace(checkout / "README.md", "35.00", "36.00")
    list(rewrite(checkout))
    assert differences(checkout) == [] and not (folder / "table.md").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {out: a}\n", "runs"),
        ("- {out: a, runs: [b], weather: 1}\n", "weather"),
        ("- {out: a, runs: [b]}\n- {out: a, runs: [c]}\n", "same folder"),
        ("- {out: a, runs: [b]\n", "not a list of reports"),
        (ENTRY.replace("arms,", "nothing,"), "no definition nothing"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(checkout: Path, text: str, said: str) -> None:
    (checkout / "reports" / "reports.yaml").write_text(text)
    with pytest.raises(ReportError, match=said):
        [committed.make() for committed in committed_reports(checkout)]


def test_a_place_without_a_table_is_an_error(checkout: Path) -> None:
    (checkout / "README.md").write_text("<!-- nothing:begin -->\n<!-- nothing:end -->")
    with pytest.raises(ReportError, match=r"README\.md asks for nothing, but there is no nothing\.md below"):
        filled_files(checkout)
    assert any("asks for nothing" in line for line in differences(checkout))


def test_a_filled_place_links_to_its_table(checkout: Path) -> None:
    text = (checkout / "docs" / "results.md").read_text(encoding="utf-8")
    (link,) = re.findall(r"\]\((.*?)\)", text)
    assert (checkout / "docs" / link).samefile(checkout / REPORT / "arms_demo.md") and "| `base` " in text
