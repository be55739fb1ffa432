"""``--check`` finds a planted change in every kind of file, and ``--all`` mends it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import synthetic_runs as runs
from reports.manifest import read_manifest

from reports.build import main
from reports.committed import ROOT, differences, rewrite
from reports.errors import ReportError

ENTRY = "- {out: results/demo/report, runs: [results/demo], tables: [arms, figure1]}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with one report, the cost tables and a README, all as made."""
    root = tmp_path_factory.mktemp("checkout")
    runs.write_grid(root / "reports" / "results" / "demo", {"base": {0: 0.3, 1: 0.4}, "x": {0: 0.5}})
    shutil.copytree(ROOT / "reports" / "results" / "cost", root / "reports" / "results" / "cost")
    (root / "reports" / "reports.yaml").write_text(ENTRY)
    places = [f"<!-- {name}:begin -->\n<!-- {name}:end -->\n" for name in ("demo", "cost")]
    (root / "README.md").write_text("".join(["# Title\n", *places]))
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
    "arms_demo.md": (lambda f: replace(f / "arms_demo.md", "35.00", "36.00"), r"arms_demo.md: line 5 is .*36\.00"),
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
    if plant not in ("result", "all gone", "arms_demo.csv"):  # the README is made from the last
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
        [committed.make() for committed in read_manifest(checkout / "reports")]


def test_the_command_line_wants_runs_or_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["runs"], ["--check", "runs", "--out", "x"]):
        with pytest.raises(SystemExit):
            main(arguments)
    assert "give RUNS and --out DIR, or --check or --all alone" in capsys.readouterr().err
