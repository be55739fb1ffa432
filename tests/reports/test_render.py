"""What the reader sees: Markdown, LaTeX, CSV and the picture."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
import synthetic_runs as runs
from reports.latex import escape

from reports.build import build, main
from reports.words import engineering

ARMS = {f"arms_demo.{suffix}" for suffix in ("md", "tex", "csv", "html")}
PICTURE = {f"figure1.{suffix}" for suffix in ("svg", "png", "csv")}
FILES = {*ARMS, *PICTURE, "status.md", "sources.json", "results.parquet"}
"""That are there whatever else can be made of the runs."""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Three seeds of the base, one arm with one run, one without, two floors, one failure."""
    accuracies = {"base": {0: 0.36, 1: 0.38, 2: 0.37}, "base+tied_qkv": {0: 0.41}, "base+x": {}}
    grid = runs.write_grid(tmp_path / "runs" / "demo", accuracies, [0, 1, 2])
    runs.write_cell(grid, runs.failure("base+x", 0, "NaN | in `layer_0`\nat once"))
    runs.write(grid / "floors.json", runs.floors("majority", "NB-SVM"))
    latencies = [runs.latency("base", 1), runs.latency("base", 32, 0.0432)]
    runs.write(grid / "costs.json", runs.costs(*latencies, runs.latency("base+tied_qkv", 1)))
    return grid


def markdown_rows(text: str) -> dict[str, list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert len({len(row) for row in cells}) == 1, "every line of the table has as many cells as its head"
    return {row[0].strip("`"): row for row in cells}


def test_the_status_comes_first_and_names_every_unfinished_cell(grid: Path, tmp_path: Path) -> None:
    text = build([grid], tmp_path / "out")
    lines = text.splitlines()
    assert lines[2] == "COMPLETED 4, FAILED 1, INCOMPLETE 0, PENDING 4, UNREADABLE 0"
    assert "- FAILED `demo/base+x-0` (`base+x`, seed 0): `NaN | in 'layer_0' at once (step 120)`" in lines
    assert sum(line.startswith("- PENDING") for line in lines) == 4
    assert text.startswith((tmp_path / "out" / "status.md").read_text(encoding="utf-8"))


def test_markdown_shows_numbers_and_shows_missing_as_missing(grid: Path, tmp_path: Path) -> None:
    text = build([grid], tmp_path / "out")
    rows = markdown_rows(text)
    assert rows["base"][1:4] == ["37.00 ± 2.48", "3 seeds", "base"]  # t(0.975, 2) = 4.3027, s = 0.01
    assert rows["base+tied_qkv"][1:4] == ["41.00 (no interval)", "1 seed", "+5.00 (no interval), 1 pair"]
    assert rows["base+x"][1:4] == ["—", "0 seeds", "—"]
    assert rows["base"][4:9] == ["123,456", "23,456", "12.3 M", "2.00 / 3.00", "43.2 / 64.8"]
    assert rows["base+tied_qkv"][7:9] == ["2.00 / 3.00", "—"]
    assert rows["base+x"][7:9] == ["—", "—"]
    assert rows["base"][9] == f"`{runs.run_key('base')}`"
    assert rows["majority (floor)"][1:4] == ["17.00 [15.42, 18.71]", "2,000 examples", ""]
    assert "code revision abcdef0; device cpu: Test 9000; data data-1" in text


def test_provenance_that_differs_becomes_a_column(grid: Path, tmp_path: Path) -> None:
    runs.write_cell(grid, runs.result("base+tied_qkv", 1, 0.4, code_revision="1234567-dirty"))
    text = build([grid], tmp_path / "out")
    head = markdown_rows(text)["arm"]
    assert head[-1] == "code revision" and "device" not in head
    assert "**Warning:** Results from code with uncommitted changes: 1234567-dirty." in text


def test_csv_holds_raw_numbers_and_gaps(grid: Path, tmp_path: Path) -> None:
    build([grid], tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "arms_demo.csv", dtype={"run_key": str}).set_index("name")
    assert table.loc["base", "accuracy"] == pytest.approx(0.37)
    assert table.loc["base", "accuracy_high"] - 0.37 == pytest.approx(4.302653 * 0.01 / 3**0.5, rel=1e-6)
    assert table.loc["base", "run_key"] == runs.run_key("base")
    assert table.loc["base", "latency_b32_p95_s"] == pytest.approx(0.0648)
    assert table.loc["base+tied_qkv", ["accuracy_low", "difference_low", "latency_b32_median_s"]].isna().all()
    assert table.loc["base+x", ["accuracy", "precision", "train_s", "difference"]].isna().all()
    assert list(table["kind"]) == ["arm"] * 3 + ["floor"] * 2
    raw = pd.read_csv(StringIO((tmp_path / "out" / "arms_demo.csv").read_text(encoding="utf-8")), dtype=str)
    assert list(raw["flops_forward"])[:3] == ["12345678"] * 3


def test_latex_escapes_every_special_character() -> None:
    assert escape(r"a_b & 5% #1 $x {y}") == r"a\_b \& 5\% \#1 \$x \{y\}"
    assert escape("\\ ~ ^ < > |") == (
        r"\textbackslash{} \textasciitilde{} \textasciicircum{} \textless{} \textgreater{} \textbar{}"
    )
    assert escape("1 ± 2\n− 3 × —") == r"1 $\pm$ 2 $-$ 3 $\times$ ---"


NASTY = r"50%_\{$x^2$}&#~<a|b> $\nosuch{$"


def test_latex_is_balanced_whatever_the_names(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    runs.write_cell(loose, runs.result(NASTY, 0, 0.4, device=NASTY), folder="one")
    runs.write_cell(loose, runs.result("plain", 0, 0.5), folder="two")
    runs.write(loose / "floors.json", runs.floors("[majority]"))
    build([loose], tmp_path / "out")
    text = (tmp_path / "out" / "arms_loose.tex").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[\\{}&%$#_]", "", body)  # what is left is syntax
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert not re.search(r"[%#~^<>|]", bare)
    assert re.findall(r"\\(begin|end)\{(.+?)\}", body) == [
        ("begin", "table*"),
        ("begin", "tabular"),
        ("end", "tabular"),
        ("end", "table*"),
    ]
    rules = [body.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert rules == sorted(rules)
    (spec,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", body)
    lines = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert {len(re.findall(r"(?<!\\)&", line)) + 1 for line in lines} == {len(spec)}


def test_the_same_input_gives_the_same_bytes_anywhere(grid: Path, tmp_path: Path) -> None:
    main([str(grid), "--out", str(tmp_path / "out")])
    moved = shutil.copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}_moved"))
    (shutil.rmtree(moved / "out"), grid.rename(tmp_path / "gone"))
    command = [sys.executable, "-m", "reports.build", str(moved / "runs" / "demo"), "--out", str(moved / "out")]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)  # another process: other hash seeds
    first, second = ({p.name: p.read_bytes() for p in (d / "out").iterdir()} for d in (tmp_path, moved))
    assert first.keys() >= FILES
    assert first == second


def test_the_picture_lies_beside_its_data(grid: Path, tmp_path: Path) -> None:
    build([grid], tmp_path / "out")
    ElementTree.fromstring((tmp_path / "out" / "figure1.svg").read_text(encoding="utf-8"))
    assert (tmp_path / "out" / "figure1.png").read_bytes().startswith(b"\x89PNG")
    drawn = set(pd.read_csv(tmp_path / "out" / "figure1.csv")["name"])
    assert {"base", "base+tied_qkv", "base+x", "NB-SVM", "majority"} <= drawn


def test_ceilings_are_told_apart_in_every_format(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.5}})
    record = runs.floors("majority", "oracle: mode_of *it*")
    record["floors"][1] |= {"kind": "ceiling", "accuracy": 0.9}
    runs.write(grid / "floors.json", {**record, "left_out": {"NB-SVM": "asks at tokens"}})
    markdown = build([grid], tmp_path / "out")
    assert re.search(r"^\| `oracle: mode_of \*it\* \(ceiling\)` \| +90\.00 \[88\.6", markdown, re.MULTILINE)
    assert re.search(r"^\| `majority \(floor\)` +\| +17\.00", markdown, re.MULTILINE)
    assert "Left out: NB-SVM: asks at tokens." in markdown and "Ceilings: a predictor" in markdown
    latex = (tmp_path / "out" / "arms_demo.tex").read_text(encoding="utf-8")
    rules = [line for line in latex.splitlines() if "rule" in line or "(floor)" in line or "(ceiling)" in line]
    assert [line[:8] for line in rules[2:]] == [r"\midrule", r"\texttt{", r"\midrule", r"\texttt{", r"\bottomr"]
    lines = [line.split(",") for line in (tmp_path / "out" / "arms_demo.csv").read_text().splitlines()]
    kind, how = lines[0].index("kind"), lines[0].index("accuracy_interval")
    assert [(line[kind], line[how]) for line in lines[1:]] == [
        ("arm", "student-t over seeds"), ("floor", "wilson over examples"), ("ceiling", "wilson over examples"),
    ]  # fmt: skip


def test_a_grid_without_a_finished_run_is_still_reported(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {"base": {}, "base+x": {}})
    text = build([grid], tmp_path / "out")
    assert "PENDING 4" in text and markdown_rows(text)["base"][1] == "—"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= FILES - PICTURE and not any(name.endswith((".svg", ".png")) for name in names)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (999, "999"), (12_345_678, "12.3 M"), (999_600, "1.00 M"), (5.87e11, "587 G"), (2e12, "2.00 T")],
)
def test_engineering_numbers_have_three_digits(value: float, text: str) -> None:
    assert engineering(value) == text


def test_a_figure_above_physics_writes_nothing(grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runs.write(grid / "costs.json", runs.costs(runs.latency("base", 1, share_of_ceiling=1.2)))
    assert main([str(grid), "--out", str(tmp_path / "out")]) == 1
    assert "above physics" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_thing_to_mix_is_refused(grid: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main([str(grid), "--out", "unused", "--mix", "code,weather"])
    assert "unknown: weather; choose from data, code, device" in capsys.readouterr().err


def test_the_terminal_shows_status_and_table(grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([str(grid), "--out", str(tmp_path / "out"), "--mix", "code,data"]) == 0
    shown = capsys.readouterr().out
    status, arms = ((tmp_path / "out" / name).read_text(encoding="utf-8") for name in ("status.md", "arms_demo.md"))
    assert shown.startswith(status) and arms in shown
    assert shown.index("COMPLETED 4") < shown.index("| arm")


def test_reports_import_neither_the_library_nor_the_experiments() -> None:
    script = "import sys, reports.build; print([m for m in sys.modules if m.split('.')[0] in "
    script += "('swarmformer', 'experiments', 'torch', 'sacred')])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
