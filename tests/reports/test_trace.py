"""From an entry of a table back to its runs, through the files that a report has."""

from __future__ import annotations

import json
import re
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from reports.build import build
from reports.errors import ReportError
from reports.trace import Traced, main, trace, words_of_row
from reports.weights import said as written
from reports.weights import weights_of
from swarmformer.records import ARCHIVE
from tests.committed import RESULTS
from tests.reports import synthetic_runs as runs


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("traced")
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.3, 1: 0.4}, "x": {0: 0.5}}, [0, 1])
    runs.write(grid / "floors.json", runs.floors("majority"))
    runs.write(grid / "costs.json", {**runs.costs(runs.latency("x", 1)), "machine": {"cpu": "Test 9000"}})
    environment = {"machine": {"cpu": "Test 9000"}, "packages": {"torch": "2.0"}, "git": {"revision": "abcdef01"}}
    for cell in ("base-0", "x-0"):
        runs.write(grid / cell / "environment.json", {"schema": 1, **environment})
    build([grid], tmp_path / "report")
    return tmp_path / "report"


def folders(found: Any) -> list[str]:
    return [source["source"] for source in found.sources]


@pytest.mark.parametrize("name", ["arms_demo.tex", "arms_demo.html", "arms_demo"])
def test_a_difference_comes_from_the_runs_of_both_arms(report: Path, name: str) -> None:
    found = trace(report / name, 2, 4)
    assert (found.row, found.column, found.text) == (
        "x", "difference to base, points", "+20.00 (no interval)",
    )  # fmt: skip
    assert folders(found) == ["demo/x-0", "demo/base-0"], "seed 1 of the base has no partner"
    first = found.sources[0]
    said = ("arm", "seed", "status", "run key", "code revision", "device", "started at", "machine", "torch")
    assert [first[key] for key in said] == [
        "x", 0, "COMPLETED", runs.run_key("x"), runs.CODE, runs.DEVICE, runs.STARTED, "Test 9000", "2.0",
    ]  # fmt: skip
    assert Path(first["config"]).is_file() and Path(first["folder"]).samefile(report.parent / "demo" / "x-0")


def test_a_csv_has_columns_of_its_own(report: Path) -> None:
    head = (report / "arms_demo.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    found = trace(report / "arms_demo.csv", 1, head.index("accuracy_high") + 1)
    assert found.column == "accuracy_high" and folders(found) == ["demo/base-0", "demo/base-1"]


def test_floors_and_latencies_come_from_files(report: Path) -> None:
    (floor,) = trace(report / "arms_demo", 3, 2).sources
    assert (floor["source"], floor["task"], floor["data"]) == ("demo/floors.json", "listops", runs.DATA)
    cost = trace(report / "arms_demo", 2, 7).sources[0]
    assert (cost["source"], cost["device"], cost["threads"]) == ("demo/costs.json", runs.DEVICE, 2)
    assert cost["machine"] == "Test 9000"


def test_a_report_can_be_moved_with_its_runs(report: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(report.parent, tmp_path / "moved")
    found = trace(moved / "report" / "arms_demo", 1, 2)
    assert folders(found) == ["demo/base-0", "demo/base-1"]
    assert all(Path(source["folder"]).resolve().is_relative_to(moved.resolve()) for source in found.sources)
    shutil.rmtree(moved / "demo")
    with pytest.raises(ReportError, match=r"demo/base-0: gone.*put the runs back"):
        trace(moved / "report" / "arms_demo", 1, 2)


@pytest.mark.parametrize(
    ("table", "row", "column", "said"),
    [
        ("arms_demo", 4, 1, "no row 4: its body has rows 1 to 3"),
        ("arms_demo", 1, 0, "no column 0: its body has columns 1 to 8"),
        ("table9", 1, 1, "no table of that report, which has arms_demo"),
        ("runs.md", 1, 1, "no table of that report, which has arms_demo"),
        ("status.md", 1, 1, "no table of that report"),
        ("figure1.csv", 1, 1, "no table of that report"),
        ("elsewhere/arms", 1, 1, "no sources.json there"),
    ],
)
def test_what_cannot_be_traced_is_said(report: Path, table: str, row: int, column: int, said: str) -> None:
    with pytest.raises(ReportError, match=said):
        trace(report / table, row, column)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["base", "45.0 [44.0, 46.0]", "2 seeds"], "base"),
        (["256", "enhanced", "4,726,225 (819,409)", "61 M"], "256, enhanced"),
        (["", "logistic regression on pixels in place", "best baseline"],
         "logistic regression on pixels in place, best baseline"),
        (["one in", "windowed", "−0.16 [−0.54, +0.22]", "undecided"], "one in, windowed"),
        (["16,384"], "16,384"),
    ],
)  # fmt: skip
def test_a_row_is_told_by_all_its_words(cells: list[str], words: str) -> None:
    assert words_of_row(cells) == words


def test_the_command_line_speaks_to_people_and_machines(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(report / "arms_demo"), "1", "2"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("row: base\n") and "code revision: abcdef0\n" in shown
    *_, first, second = shown.splitlines()
    assert [line.split(" | ")[0] for line in (first, second)] == ["source: demo/base-0", "source: demo/base-1"]
    assert "seed: 1" in second and "code revision" not in second, "what all have in common is said once"
    assert main([str(report / "arms_demo"), "1", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"][1]["source"] == "demo/base-1"
    assert main([str(report / "arms_demo"), "99", "2"]) == 1
    assert "error: " in capsys.readouterr().err


def test_runs_of_several_arms_are_told_by_arm_each_with_its_own_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "cell_name", lambda arm, seed: f"{arm}-s{seed}-{runs.run_key(arm)[:8]}")
    grid = runs.write_grid(tmp_path / "demo", {"base": {0: 0.3, 1: 0.4125}, "x": {0: 0.5, 1: 0.6}}, [0, 1])
    build([grid], tmp_path / "report")
    said = str(trace(tmp_path / "report" / "arms_demo", 2, 4))
    base = f"source: demo/base-s*-{runs.run_key('base')[:8]}"
    assert said.count("arm: base") == said.count(base) == said.count(f"run key: {runs.run_key('base')}") == 1
    assert "\n  seed: 0 | test accuracy, %: 30.0\n  seed: 1 | test accuracy, %: 41.25" in said


EFFECTS = [
    ("table3_fraction_digits", 1, 2, 8, 8), ("table3_fraction_digits", 3, 2, 4, 4), ("table7", 1, 2, 8, 8),
    ("table3_factorial_imdb", 4, 2, 2, 2), ("table3_factorial_imdb", 10, 2, 4, 4),
]  # fmt: skip
"""Table, row and column, and how many arms enter with a plus and with a minus."""


@pytest.mark.parametrize(("table", "row", "column", "plus", "minus"), EFFECTS)
def test_an_effect_is_told_by_arm_and_their_weighted_means_are_its_number(
    table: str, row: int, column: int, plus: int, minus: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(RESULTS / "paper" / table), str(row), str(column)]
    assert main(words) == 0
    said = capsys.readouterr().out
    line = r"^ *(\S+) \| (\d+) runs \| mean test accuracy, %: +([\d.]+) \| run key: \w{8} \| arm: (\S+)$"
    found = re.findall(line, said, re.M)
    weights = [0.0 if weight == "·" else float(Fraction(weight.replace("−", "-"))) for weight, *_ in found]
    assert len({arm for *_, arm in found}) == len(found)
    assert [sum(weight > 0 for weight in weights), sum(weight < 0 for weight in weights)] == [plus, minus]
    number = re.search(r"^text: (\S+)", said, re.M)
    assert number is not None
    effect = sum(weight * float(mean) for weight, (_, _, mean, _) in zip(weights, found, strict=True))
    assert effect == pytest.approx(float(number[1].replace("−", "-")), abs=0.02), "means have two decimals"
    assert main([*words, "--all"]) == 0
    whole = capsys.readouterr().out
    assert whole.count("  seed: ") == sum(int(runs) for _, runs, *_ in found)
    assert len(said.splitlines()) < 30 + len(found) and said.splitlines()[:3] == whole.splitlines()[:3]


def test_the_interaction_of_two_factors_has_weights_of_its_own() -> None:
    found = trace(RESULTS / "paper" / "table3_factorial_imdb", 10, 2)
    assert found.row == "gated_mlp × layer_norm"
    on = {arm: {"gated_mlp", "layer_norm"} & set(arm.split("+")) for arm in found.weights}
    assert len(on) == 8 and {arm: len(has) != 1 for arm, has in on.items()} == {
        arm: weight > 0 for arm, weight in found.weights.items()
    }


def test_no_weight_is_told_where_a_row_is_no_effect_or_weighs_otherwise(tmp_path: Path) -> None:
    grid = runs.write_grid(tmp_path / "demo", {arm: {0: 0.3} for arm in ("base", "x", "y")}, [0])
    build([grid], tmp_path / "report")
    found = trace(tmp_path / "report" / "arms_demo", 1, 2)
    assert not found.weights and "sum of the arms' means" not in found.summary()
    assert not weights_of("x with y", {"base", "x", "y"}, grid)
    column, other = (trace(RESULTS / "paper" / "table3_pairs_digits", 1, number) for number in (2, 3))
    assert column.weights and other.column == "without arms far out" and not other.weights


def test_a_revision_with_changes_says_what_its_hash_is_of() -> None:
    found = Traced("row", "column", "1", ({"source": "a", "code revision": "abc-dirty", "code hash": "123"},))
    assert "code revision: abc-dirty (with changes in no commit; the code hash is" in str(found)


def test_a_table_of_a_report_nearby_is_offered(
    report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(report, report.parent / "report-2", dirs_exist_ok=True)
    (report.parent / "report-2" / "arms_demo.csv").rename(report.parent / "report-2" / "arms_mine.csv")
    for folder, place in ((report.parent, ""), (report.parent.parent, f"{report.parent.name}/")):
        monkeypatch.chdir(folder)
        with pytest.raises(ReportError, match=rf"arms_mine: in no .*; give a path, such as {place}report-2/arms_mine"):
            trace(Path("arms_mine"), 1, 2)


def test_a_name_alone_is_looked_for_in_the_committed_reports() -> None:
    found = trace(Path("arms_demo"), 1, 2)
    assert found.row == "base" and found.sources
    for source in found.sources:
        assert Path(source["archive"]) == RESULTS / "demo" / ARCHIVE and "folder" not in source
        assert source["status"] == "COMPLETED" and source["torch"]
    with pytest.raises(ReportError, match="in no committed report"):
        trace(Path("arms_nowhere"), 1, 2)


def test_a_weight_is_a_fraction_of_one_or_one() -> None:
    assert [written(weight) for weight in (0.125, -0.5, 1.0, -1.0, 0.0)] == ["+1/8", "−1/2", "+1", "−1", "·"]
