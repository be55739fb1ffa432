"""``swarmformer predict`` and ``evaluate``: every kind of input and output, and what is wrong with one."""

from __future__ import annotations

import argparse
import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from swarmformer import cli
from swarmformer.assembly import assemble
from swarmformer.cli.evaluate_text import evaluate_text
from swarmformer.errors import UsageError
from swarmformer.hub import CompleteModel, save
from swarmformer.pipeline import TextClassifier
from swarmformer.records import Result
from swarmformer.variants import make_task, resolve_run
from tests.hub.conftest import toy_data as toy_data
from tests.hub.models import CLASSES, complete_model
from tests.reports.synthetic_runs import result as a_result

ROWS: list[tuple[str, str, str]] = [
    ("a good film .", "good", "x1"), ("bad", "bad", "x2"), ("", "so so", "x3"), ("film\nfilm", "good", "x4"),
    ("good " * 300, "bad", "x5"), ("🎬, \"bad\"", "so so", "x6"),
]  # fmt: skip
NAMES = ("review", "stars", "id")


@pytest.fixture
def model(tmp_path: Path, toy_data: None) -> Path:
    save(complete_model("bag_of_embeddings"), tmp_path / "model")
    return tmp_path / "model"


def write_table(path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table({name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(dict(zip(NAMES, row, strict=True))) for row in ROWS))
    else:
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([NAMES, *ROWS])
    return path


def read_table(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return list(map(json.loads, path.read_text().splitlines()))
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_table_is_answered_row_by_row(
    model: Path, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_table(tmp_path / f"in{ending}"), tmp_path / f"out{ending}"
    words = ["predict", str(model), str(source), "--text", "review", "--keep", "id", "--output", str(output)]
    assert cli.main(words) == 0
    expected = TextClassifier(complete_model("bag_of_embeddings"))([row[0] for row in ROWS])
    found = read_table(output)
    assert [row["id"] for row in found] == [row[2] for row in ROWS]
    assert [row["label"] for row in found] == [answer.label for answer in expected]
    for row, answer in zip(found, expected, strict=True):
        named = row["probabilities"] if ending == ".jsonl" else {c: float(row[f"probability_{c}"]) for c in CLASSES}
        assert named == pytest.approx(answer.probabilities, abs=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".o")) == []
    said = capsys.readouterr()
    assert said.out == "" and "6 texts in" in said.err and "1 of them cut to 32 tokens (fp32, cpu)" in said.err


def test_texts_of_the_command_line_lines_and_standard_input(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["predict", str(model), "a good film .", "bad"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("\ta good film .") and second.endswith("\tbad")
    assert {first.split("\t")[0], second.split("\t")[0]} <= set(CLASSES)
    (tmp_path / "lines.txt").write_text("a good film .\n\nbad")
    assert cli.main(["predict", str(model), str(tmp_path / "lines.txt")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[2]] == [first, second] and lines[1].endswith("\t"), "an empty line is a text"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"bad\r\n")))
    assert cli.main(["predict", str(model), "-"]) == 0
    assert capsys.readouterr().out.splitlines() == [second]


@pytest.mark.parametrize("length", [300, 5000], ids=["longer than a name", "longer than a path"])
def test_a_text_longer_than_a_file_may_be_called_is_a_text(
    model: Path, length: int, capsys: pytest.CaptureFixture[str]
) -> None:
    text = ("a good film . " * length)[:length]
    assert cli.main(["predict", str(model), text, "a\0b"]) == 0
    [answer] = TextClassifier(complete_model("bag_of_embeddings"))([text])
    assert capsys.readouterr().out.startswith(f"{answer.label}\t{answer.probabilities[answer.label]:.4f}\t")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no-such.csv"], "there is no file no-such.csv; if that is a text"),
        (["great.txt"], "there is no file great.txt; if that is a text, which by its ending"),
        (["in.csv"], "in.csv has no column 'text'; its columns are: 'review', 'stars', 'id'; "
                     "name another in --text"),
        (["in.csv", "--text", "review", "--keep", "film"], "'film'; its columns are: 'review', 'stars', 'id'; name "
                                                           "another in --keep"),
        (["in.csv", "more"], "in.csv is a file: name one file, or texts alone"),
        (["binary.txt"], "binary.txt, line 1: not UTF-8"),
        (["zeros.txt"], "zeros.txt, line 1: has a zero byte"),
        (["numbers.jsonl"], "numbers.jsonl, line 1: 'text' is 3, expected text"),
        (["a", "--output", "out.xlsx"], "out.xlsx: not known by its ending; files end in .csv, .tsv, .jsonl, .parquet"),
        (["a", "--output", "no/folder/out.csv"], "there is no folder"),
        (["a", "--keep", "id"], "are of a table, and texts are given"),
        (["a", "--text", "review"], "are of a table, and texts are given"),
        (["a", "--delimiter", ";"], "are of a table, and texts are given"),
        (["-", "--text", "review"], "are of a table, and a text on every line is read"),
        (["lines.txt", "--keep", "id"], "are of a table, and a text on every line is read"),
        (["in.csv", "--text", "review", "--output", "in.csv"], "--output in.csv: is the file that is read"),
        (["in.csv", "--text", "review", "--output", "same.csv"], "--output same.csv: is the file that is read"),
        (["in.csv", "--text", "review", "--encoding", "cp9"], "no encoding 'cp9'"),
        (["in.csv", "--text", "review", "--delimiter", ";;"], "error: --delimiter is ';;', expected one character"),
        (["in.csv", "--text", "review", "--delimiter", "'", "--quote", "'"], "error: --delimiter is \"'\", and so is"),
        (["a", "--output", "out.csv", "--format", "jsonl"], "--format is of standard output"),
        (["a", "--batch-size", "0"], "--batch-size: must be at least 1"),
        (["a", "--threads", "-1"], "--threads: '-1' is no number of things"),
        (["a", "--device", "tpu"], "unknown device 'tpu'"),
    ],
)
def test_bad_input_ends_with_one_message(
    model: Path, tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = write_table(tmp_path / "in.csv").read_bytes()
    (tmp_path / "same.csv").symlink_to("in.csv")
    (tmp_path / "lines.txt").write_text("a\n")
    (tmp_path / "binary.txt").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    (tmp_path / "zeros.txt").write_bytes(b"a\0b\n")
    (tmp_path / "numbers.jsonl").write_text('{"text": 3}\n')
    assert cli.main(["predict", "model", *words]) in (1, 2)
    said = capsys.readouterr()
    assert message in said.err and "Traceback" not in said.err
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".*out*"))
    assert (tmp_path / "in.csv").read_bytes() == before


def test_how_a_table_is_written_can_be_said(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of Cyrillic without a mark nothing can be found; the words reach the model as they do from UTF-8."""
    rows = "text;label\n" + "".join(f"хороший фильм {word};{word}\n" for word in ("good", "bad"))
    output, said = tmp_path / "answers.jsonl", ["--encoding", "cp1251", "--delimiter", ";"]
    found = []
    for encoding, options in (("utf-8", []), ("cp1251", said)):
        source = tmp_path / f"{encoding}.csv"
        source.write_bytes(rows.encode(encoding))
        assert cli.main(["predict", str(model), str(source), "--output", str(output), *options]) == 0
        found.append(read_table(output))
        scores = tmp_path / "scores.json"
        assert cli.main(["evaluate", str(model), str(source), "--json", str(scores), *options]) == 0
        found[-1].append({"accuracy": json.loads(scores.read_text())["accuracy"]})
    assert found[0] == found[1] and found[0][0]["text"] == "хороший фильм good"
    capsys.readouterr()
    assert cli.main(["predict", str(model), str(tmp_path / "cp1251.csv")]) == 1
    assert "set data.task.encoding (--encoding)" in capsys.readouterr().err


def test_an_output_is_whole_or_not_there(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n' * 9000 + '{"text": 1}\n')
    words = ["predict", str(model), str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.parquet")]
    assert cli.main(words) == 1
    assert {path.name for path in tmp_path.glob("*out*")} | {path.name for path in tmp_path.glob(".*out*")} == set()


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_file_is_scored(model: Path, tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_table(tmp_path / f"in{ending}")
    written = ["--examples", str(tmp_path / "examples.jsonl"), "--json", str(tmp_path / "scores.json")]
    words = ["evaluate", str(model), "--text", "review", "--label", "stars", str(source), *written]
    assert cli.main(words) == 0
    logits_NK = np.stack(list(TextClassifier(complete_model("bag_of_embeddings")).logits([row[0] for row in ROWS])))
    right = [CLASSES[int(row.argmax())] == label for row, (_, label, _) in zip(logits_NK, ROWS, strict=True)]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["accuracy"] == pytest.approx(np.mean(right)) and scores["n"] == len(ROWS)
    examples = read_table(tmp_path / "examples.jsonl")
    assert [row["correct"] for row in examples] == right and [row["label"] for row in examples] == [r[1] for r in ROWS]
    assert np.mean([row["loss"] for row in examples]) == pytest.approx(scores["loss"])
    said = capsys.readouterr().out
    assert f"accuracy {np.mean(right):.4f}" in said and "so so" in said and "expected calibration error" in said


@pytest.mark.parametrize(
    ("table", "words", "message"),
    [
        ("text,label\na,goood\n", [], "line 2: 'label' is 'goood', which is no class of the model. Did you mean"),
        ("text,label\na,7\n", [], "line 2: 'label' is '7', which is no class"),
        ("text,label\na,\n", [], "line 2: 'label' is ''"),
        ("text,label\n", [], "has no examples"),
        ("text\na\n", [], "has no column 'label'; its columns are: 'text'; name another in --label"),
        ("", ["--task", "imbd"], "unknown task 'imbd'. Did you mean 'imdb'"),
        ("", ["--task", "digits", "tset=0.5"], "unknown option. Did you mean 'test'"),
        ("", ["--task", "digits", "seed"], "options of a task are KEY=VALUE"),
        ("", ["--task", "digits", "test=["], "--task digits test=[: not YAML: "),
        ("", ["--task", "digits"], "has classes 0, 1, 2"),
        ("", ["--task", "mqar"], "asks at tokens"),
        ("", [], "unknown task 'toy'"),
        ("", ["--task", "digits", "--label", "stars"], "--quote are of a FILE, and none is given"),
        ("", ["--text", "review"], "--quote are of a FILE, and none is given"),
        ("", ["--encoding", "latin-1"], "--quote are of a FILE, and none is given"),
        ("text,label\n", ["in.csv", "--examples", "in.csv"], "--examples in.csv: is the file that is read"),
        ("text,label\n", ["in.csv", "--json", "in.csv"], "--json in.csv: is the file that is read"),
        ("text,label\na,good\n", ["in.csv", "--examples", "a.jsonl", "--json", "a.jsonl"],
         "--json a.jsonl: is the file of --examples, and one of both would be lost; name another"),
        ("", ["in.csv", "--split", "train"], "--split is of a --task, and none is given"),
        ("", ["in.csv", "--task", "digits"], "name a FILE or a --task, not both"),
        ("", ["--json", "/no/folder/scores.json"], "--json /no/folder/scores.json: there is no folder"),
        ("", ["--json", "/"], "error: --json /: is a folder"),
    ],
)
def test_what_cannot_be_scored(
    model: Path, tmp_path: Path, table: str, words: list[str], message: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text(table)
    asked = words or ([str(tmp_path / "in.csv")] if table else [])
    assert cli.main(["evaluate", str(model), *asked]) in (1, 2)
    assert message in capsys.readouterr().err


def test_labels_may_be_numbers_where_no_class_is_one(model: Path, tmp_path: Path) -> None:
    named, numbered = (
        "text,label\n" + "".join(f"film,{label}\n" for label in labels)
        for labels in (CLASSES, ("0", "1", "2"))
    )  # fmt: skip
    found = []
    for name, table in (("named", named), ("numbered", numbered)):
        (tmp_path / f"{name}.csv").write_text(table)
        output = tmp_path / f"{name}.json"
        assert cli.main(["evaluate", str(model), str(tmp_path / f"{name}.csv"), "--json", str(output)]) == 0
        found.append(json.loads(output.read_text())["confusion_KK"])
    assert found[0] == found[1]


@pytest.mark.parametrize("classes", [("1.0", "2.0", "3.0"), ("+1", "+2", "+3"), ("1,5", "2,5", "3,5")])
def test_a_number_never_stands_for_a_place_where_a_class_is_called_by_one(
    classes: tuple[str, ...], tmp_path: Path, toy_data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """pandas writes 1 as 1.0 once a column had a gap; 1 would be read as the second class, 1 being its place."""
    save(replace(complete_model("bag_of_embeddings"), classes=classes), tmp_path / "model")
    for name, content in (("in.csv", "text,label\nfilm,1\n"), ("in.jsonl", '{"text": "film", "label": 1.0}\n')):
        (tmp_path / name).write_text(content)
        assert cli.main(["evaluate", str(tmp_path / "model"), str(tmp_path / name)]) == 1
        said = capsys.readouterr().err
        assert "which is no class of the model" in said and f"It knows: {', '.join(classes)}" in said
    (tmp_path / "in.csv").write_text(f'text,label\nfilm,"{classes[1]}"\n')
    assert cli.main(["evaluate", str(tmp_path / "model"), str(tmp_path / "in.csv")]) == 0


@pytest.mark.parametrize(("given", "message"), [
    ({"text": "review"}, "FILE of a language model is a plain text"), ({"examples": Path("a.csv")}, "has no examples"),
])  # fmt: skip
def test_a_language_model_takes_no_option_that_is_of_tables(given: dict[str, Any], message: str) -> None:
    options = argparse.Namespace(file=Path("text.txt"), task=None, split=None, text=None, label=None, examples=None,
                                 encoding="", delimiter="", quote='"')  # fmt: skip
    vars(options).update(given)
    with pytest.raises(UsageError, match=message):
        evaluate_text(None, options)  # type: ignore[arg-type]  # refused before the model is asked


def test_a_task_that_changed_since_the_training_is_told(
    toy_data: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A split that is drawn anew from a changed file may hold texts that the model learned from."""
    table = tmp_path / "mine.csv"
    table.write_text("text,label\n" + "".join(f"film {row},{CLASSES[row % 3]}\n" for row in range(30)))
    chosen = {"name": "files", "train": str(table), "test_fraction": 0.3}
    spec = resolve_run("bag_of_embeddings", [({"data": {"task": chosen}, "model": {"dims": {"d_model": 8}}}, "test")])
    task = make_task(spec.data)
    result = Result.model_validate(a_result("bag_of_embeddings", 0, 0.5, task="files"))
    save(CompleteModel.of_run(assemble(spec.model), spec, task, result), tmp_path / "model")
    assert cli.main(["evaluate", str(tmp_path / "model")]) == 0
    assert "have changed" not in capsys.readouterr().err
    before = table.read_bytes()
    for option in ("--examples", "--json"):
        assert cli.main(["evaluate", str(tmp_path / "model"), option, str(table)]) == 1
        assert f"{option} {table}: is the file that is read" in capsys.readouterr().err
    assert table.read_bytes() == before
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-6]))
    assert cli.main(["evaluate", str(tmp_path / "model")]) == 0
    assert "files of task files have changed since the model was trained" in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path / "model"), "--split", "train"]) == 0
    assert "have changed" not in capsys.readouterr().err
