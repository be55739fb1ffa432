"""``reports.build``: what it writes, what a terminal shows, and what it refuses before anything is written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from reports import committed
from reports.build import main
from reports.definition import read_definitions
from reports.origin import sources_json
from reports.report import Report
from reports.written import write_together
from tests.reports import synthetic_runs as runs

TABLES = {"runs.md", *(f"arms_demo.{suffix}" for suffix in ("tex", "csv", "html"))}
FIGURE = {f"figure1.{suffix}" for suffix in ("svg", "png", "csv")}
FILES = {*TABLES, *FIGURE, "status.md", "sources.json", "results.parquet"}
"""That are there whatever else can be made of the runs."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    accuracies = {"base": {0: 0.36, 1: 0.38, 2: 0.37}, "base+tied_qkv": {0: 0.41}, "base+x": {}}
    grid = runs.write_grid(tmp_path / "runs" / "demo", accuracies, [0, 1, 2])
    runs.write_cell(grid, runs.failure("base+x", 0, "NaN | in `layer_0`\nat once"))
    runs.write(grid / "floors.json", runs.floors("majority", "NB-SVM"))
    return grid


def build(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_the_terminal_shows_the_status_then_the_arms(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert build(grid, "--out", tmp_path / "out", "--mix", "code,data") == 0
    shown = capsys.readouterr().out
    status = (tmp_path / "out" / "status.md").read_text(encoding="utf-8")
    assert shown.startswith(status) and "base+tied_qkv" in shown
    lines = status.splitlines()
    assert lines[2] == "COMPLETED 4, FAILED 1, INCOMPLETE 0, PENDING 4, UNREADABLE 0"
    assert "- FAILED `demo/base+x-0` (`base+x`, seed 0): `NaN | in 'layer_0' at once (step 120)`" in lines
    assert sum(line.startswith("- PENDING") for line in lines) == 4
    assert max(map(len, shown.removeprefix(status).splitlines()[:-1])) <= 80


def test_the_same_input_gives_the_same_bytes_anywhere(grid: Path, tmp_path: Path) -> None:
    build(grid, "--out", tmp_path / "out")
    moved = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}_moved"))
    (shutil.rmtree(moved / "out"), grid.rename(tmp_path / "gone"))
    command = [sys.executable, "-m", "reports.build", str(moved / "runs" / "demo"), "--out", str(moved / "out")]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)  # another process: other hash seeds
    first, second = ({p.name: p.read_bytes() for p in (d / "out").iterdir()} for d in (tmp_path, moved))
    assert first.keys() >= FILES
    assert first == second


def test_a_figure_lies_beside_its_data_and_the_runs_beside_both(grid: Path, tmp_path: Path) -> None:
    build(grid, "--out", tmp_path / "out")
    ElementTree.fromstring((tmp_path / "out" / "figure1.svg").read_text(encoding="utf-8"))
    assert (tmp_path / "out" / "figure1.png").read_bytes().startswith(b"\x89PNG")
    assert not pd.read_csv(tmp_path / "out" / "figure1.csv").empty
    table = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert len(table) == 9 and table["accuracy"].count() == 4
    assert table.set_index("where").loc["demo/base-1", "accuracy"] == 0.38


def test_definitions_stand_in_the_order_of_their_numbers() -> None:
    names = [definition.name for definition in read_definitions() if definition.name.startswith("figure")]
    assert names == [f"figure{number}" for number in range(1, 12)]


def test_a_grid_without_a_finished_run_is_still_reported(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {}, "base+x": {}})
    assert build(grid, "--out", tmp_path / "out") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= FILES - FIGURE and not any(name.endswith((".svg", ".png")) for name in names)


def test_no_name_costs_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loose, record = tmp_path / "loose", runs.result("any", 0, 0.4)
    names = ["mean 平均", "two\nlines", "half \ud83d", "<b>&amp;|`$x$", "مرحبا", "\U0001f600"]
    for seed in (0, 1):
        for number, name in enumerate(names):
            named = record | {"arm": name, "variant": name, "device": name, "seed": seed}
            runs.write_cell(loose, named, folder=f"odd{number}-{seed}")
        runs.write_cell(loose, runs.result("plain", seed, 0.5), folder=f"plain-{seed}")
    assert build(loose, "--out", tmp_path / "out", "--mix", "device") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"arms_loose.csv", "figure1.svg", "results.parquet"}
    assert "plain" in capsys.readouterr().out


def test_a_figure_above_physics_writes_nothing(grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 1, share_of_ceiling=1.2)))
    assert build(grid, "--out", tmp_path / "out") == 1
    assert "above physics" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_meant_is_refused(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        ((grid, "--out", "unused", "--mix", "code,weather"), "unknown: weather; choose from data, code, device"),
        ((grid,), "give RUNS and --out DIR, or --check or --all alone"),
        ((grid, "--check"), "give RUNS and --out DIR, or --check or --all alone"),
    ):
        assert build(*arguments) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "status", "verdict"), [(b"a\n", 0, "all as committed"), (b"b\n", 1, "1 difference")]
)
def test_a_check_says_how_much_it_compared(
    table: bytes, status: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    made = Report({"x.md": b"a\n", "y.md": b""}, {"tables": {"x": {}, "y": {}}}, (), "", ())
    sources = sources_json({"x": made.sources}).encode()
    write_together(tmp_path / "results", {"x/x.md": table, "x/y.md": b"", "sources.json": sources})
    monkeypatch.setattr(committed, "FOLDER", tmp_path)
    monkeypatch.setattr(committed, "_reports", lambda: iter([(tmp_path / "results" / "x", made)]))
    monkeypatch.setattr(committed.cost, "written", dict)
    monkeypatch.setattr(committed.cost, "tables", list)
    monkeypatch.setattr(committed.readme, "filled_files", dict)
    assert build("--check") == status
    words = f"Made again: 1 report, 2 tables, 0 figures, and what they fill in 0 documents: {verdict}. Figures"
    assert capsys.readouterr().out.startswith(words)


def test_help_starts_no_work(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("help", "--help"):
        assert build(word) == 0 and "--check" in capsys.readouterr().out


def test_reports_import_neither_the_experiments_nor_torch() -> None:
    script = "import sys, reports.build, reports.trace; print([m for m in sys.modules if m.split('.')[0] in "
    script += "('experiments', 'torch', 'sacred')])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
