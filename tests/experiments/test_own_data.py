"""Own files are read before anything runs: what was found is told, a fault stops the plan, a class that goes missing
is named."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments import grid, train
from tests.data.toy_tasks import WORDS

Plan = Callable[..., int]
GRID: dict[str, Any] = {
    "arms": ["bag_of_embeddings"], "seeds": [0], "latency": None, "floors": False,
    "model": {"dims": {"d_model": 8, "seq_len": 8}}, "train": {"epochs": 1},
}  # fmt: skip
ROWS = [f"{'good' if row % 2 else 'bad'} film {row};{'p' if row % 2 else 'n'}" for row in range(40)]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Plan a grid over these lines of training and of test; other keys of ``data`` beside."""
    (tmp_path / "bert-base-uncased-vocab.txt").write_text("\n".join(WORDS) + "\n")
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def planned(rows: list[str], test: list[str], *, command: str = "plan", **data: Any) -> int:
        for name, lines in (("train", rows), ("test", test)):
            (tmp_path / f"{name}.csv").write_text("\n".join(["text;label", *lines]), encoding="utf-8")
        task = {"name": "files", "train": "train.csv", "test": "test.csv", "title": "Films", **data.pop("task", {})}
        (tmp_path / "own.yaml").write_text(yaml.safe_dump({**GRID, "data": {"task": task, **data}}))
        return grid.main([command, "own.yaml"])

    return planned


def test_a_plan_says_what_was_read(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(ROWS, ["good;p", "bad;n", "a;n"], validation_fraction=0.25, stratify=True) == 0
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["train", "of", "Films:", "train.csv", "(utf-8,", "';')"] in said
    assert ["n", "15", "5", "2"] in said and ["p", "15", "5", "1"] in said and ["all", "30", "10", "3"] in said


@pytest.mark.parametrize(("third", "whose"), [([], "of class 'p'"), (["so so;o"] * 9, "(mean over 3 classes)")])
def test_a_plan_says_whose_f1_decides(
    third: list[str], whose: str, plan: Plan, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two classes in order, as the runs have it."""
    monkeypatch.setitem(GRID, "primary", {"metric": "f1", "margin": 1.0})
    assert plan([*ROWS, *third], ["good;p", "bad;n"], validation_fraction=0.25, stratify=True) == 0
    assert f"decided by test f1 {whose}, equivalent within ±1 points" in capsys.readouterr().out


@pytest.mark.parametrize(("test", "cut"), [
    (["good;p", "bad;n"], ""), (["good;p", f"{'bad ' * 30};n"], "0 of 30 train, 0 of 10 validation, 1 of 2 test texts"),
], ids=["none", "one"])  # fmt: skip
def test_a_plan_says_how_many_texts_are_cut(
    test: list[str], cut: str, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(ROWS, test, validation_fraction=0.25) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "seq_len" in line]
    assert said == ([f"longer than seq_len 8 and cut: {cut}"] if cut else [])


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_fault_in_any_split_stops_it_before_anything_runs(
    plan: Plan, command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert plan(ROWS, ["good;p", "so so;neutral"], command=command) != 0
    said = capsys.readouterr().err
    place = "own.yaml: arms[0] (bag_of_embeddings): test.csv, line 3"
    assert f"{place}: label 'neutral' does not occur in train (train.csv)" in said
    assert "Traceback" not in said and not list((tmp_path / "runs").glob("*/*/config.json"))


@pytest.mark.parametrize("column", ["text", "label", "group"])
def test_a_column_that_is_not_there_is_said_alike_before_any_arm_is_priced(
    plan: Plan, column: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(ROWS, ["good;p", "bad;n"], task={column: "body"}) != 0
    said = capsys.readouterr()
    assert "own.yaml: arms[0] (bag_of_embeddings): train.csv has no column 'body'" in said.err
    assert said.err.rstrip().endswith(f"; name another in data.task.{column}") and "all of them build" not in said.out


def test_classes_that_a_split_lacks_are_named(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    rare = [f"a film {row};rare" for row in range(2)]
    assert plan([*ROWS, *rare, "a;alone"], ["good;p", "bad;n"], validation_fraction=0.1, split_seed=1) == 0
    said = capsys.readouterr().err
    assert "validation has no example of class 'alone', so that training is not judged by it: give it some" in said
    assert "validation has no example of class 'rare', so that training is not judged by it: set data.stratify" in said
    assert "test has no example of classes 'alone', 'rare', so that how well" in said
    plan([*ROWS, *rare, "a;alone"], ["good;p", "bad;n"], validation_fraction=0.1, split_seed=1, stratify=True)
    assert "validation has no example of class 'rare'" not in capsys.readouterr().err


def test_a_fault_leaves_no_failed_run_behind(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that failed is not run again unless it is set aside; a file that can be mended is no reason for that."""
    plan(ROWS, ["good;p", "so so;neutral"])
    task = ["data.task=files", "data.task.train=train.csv", "data.task.test=test.csv"]
    words = ["with", "variant=bag_of_embeddings", *task, "model.dims.d_model=8", "model.dims.seq_len=8"]
    assert train.main(words) != 0
    assert "test.csv, line 3: label 'neutral'" in capsys.readouterr().err
    assert not list((tmp_path / "runs" / "train").glob("*/failure.json"))


NOTHING = {3: "", 11: "   ", 20: "\u200b"}
"""Of a column of texts: empty, blank, and a sign of which the tokenizer makes nothing."""
UNREAD = (
    "3 texts of train are empty or become no token (rows 4, 12, 21 of the files of train, without header and empty "
    "lines)"
)


def emptied(rows: list[str]) -> list[str]:
    return [f"{NOTHING.get(place, row.partition(';')[0])};{row[-1]}" for place, row in enumerate(rows)]


@pytest.mark.parametrize("command", ["plan", "run"])
def test_texts_without_a_token_are_counted_and_told(
    plan: Plan, command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    valid = {"validation": "valid.csv"}
    (tmp_path / "valid.csv").write_text("text;label\ngood;p\n;n\n")
    assert plan(emptied(ROWS), ["good a;p", "bad a;n"], command=command, task=valid) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "no token" in line]
    assert [line.partition(": such")[0] for line in said] == [
        f"warning: {UNREAD}",
        "warning: 1 text of validation is empty or becomes no token (row 2 of the files of validation, without "
        "header and empty lines)",
    ]  # fmt: skip
    assert all("kept with their labels" in line and "take the rows out" in line for line in said)


def test_rows_are_those_of_the_file_that_a_split_is_cut_from(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever split they are drawn into; the bytes of blanks are tokens, which say no more."""
    assert plan(emptied(ROWS), ["good a;p", "bad a;n"], tokenizer="bytes", validation_fraction=0.4) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "no token" in line]
    rows = re.findall(r"\d+", " ".join(line.partition("(")[2] for line in said))
    assert sorted(map(int, rows)) == [4, 12] and all("of the files of train" in line for line in said)


def test_only_the_first_of_many_are_named(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*ROWS, *[f";{label}" for label in "np" * 5]]
    assert plan(rows, ["good a;p", "bad a;n"], task={"validation": "test.csv"}) == 0
    assert "10 texts of train are empty or become no token (rows 41, 42, 43, 44, 45, 46 and 4 more" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(("duplicates", "words"), [
    ("keep", "warning: texts of train that stand in another split too: 2 in test (1 exactly)"), ("drop", ""),
])  # fmt: skip
def test_copies_between_splits_are_told_with_what_takes_them_out(
    plan: Plan, duplicates: str, words: str, command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "valid.csv").write_text("text;label\ngood;p\nbad;n\n")
    test = ["bad film 0;n", "Good FILM 1!;p", "a;p", ";n"]
    assert plan([*ROWS, ";p"], test, command=command, task={"validation": "valid.csv"}, duplicates=duplicates) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "stand in another split" in line]
    assert [line.partition(":")[0] for line in said] == ["warning"] * bool(words)
    assert all(line.startswith(words) and "data.duplicates: drop" in line for line in said)


def test_copies_that_the_cut_of_validation_parts_are_told(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan(ROWS[:4] * 10, ["good a;p", "bad a;n"], validation_fraction=0.25) == 0
    assert "train that stand in another split too: 30 in validation (30 exactly)" in capsys.readouterr().out


def test_a_single_run_warns_of_the_same_and_each_once(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    plan(emptied(ROWS), ["bad film 0;n", "good;p"], task={"validation": "test.csv"})
    said = capsys.readouterr()
    told = "1 of 2 texts in test are also in train"
    assert said.err.count(told) == 1 and said.out.count(UNREAD) == 1
    files = [f"data.task.{split}={file}.csv" for split, file in
             {"train": "train", "test": "test", "validation": "test"}.items()]  # fmt: skip
    words = ["variant=bag_of_embeddings", "data.task=files", *files, "model.dims.d_model=8", "model.dims.seq_len=8"]
    assert train.main(["with", *words, "train.epochs=1"]) == 0
    said = capsys.readouterr()
    assert said.err.count(UNREAD) == 1 and said.err.count("1 in test (1 exactly)") == 1
    assert train.main(["print_config", "with", *words]) == 0
    assert "no token" not in capsys.readouterr().out
