from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from experiments.data import load_data
from swarmformer.data.encoding import load_encoded
from swarmformer.data.predictors import compute_predictors
from swarmformer.data.split import load_splits
from swarmformer.data.tasks.files import Files
from swarmformer.errors import DataError, SpecError
from swarmformer.variants import resolve_run
from tests.helpers import assert_loads_soundly

TEXTS = ['a "good" film', "bad,\nvery bad", "good", "a bad film .", "", "films < good >"]
LABELS = ["pos", "neg", "pos", "neg", "neutral", "pos"]


def as_csv(path: Path, **columns: list[Any]) -> None:
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join('"' + str(value).replace('"', '""') + '"' for value in row))
    path.write_bytes("\r\n".join(lines).encode() + b"\r\n")


def as_jsonl(path: Path, **columns: list[Any]) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")


def as_parquet(path: Path, **columns: list[Any]) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


WRITERS: dict[str, Callable[..., None]] = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}


@pytest.fixture(params=list(WRITERS))
def ending(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def task_of(
    folder: Path, ending: str, labels: list[Any] = LABELS, test: list[Any] | None = None, **options: Any
) -> Files:
    """Files of these labels, and the task over them."""
    write = WRITERS[ending]
    write(folder / f"train.{ending}", text=TEXTS, label=labels)
    write(folder / f"test.{ending}", text=TEXTS[:2], label=labels[:2] if test is None else test)
    return Files(train=str(folder / f"train.{ending}"), test=str(folder / f"test.{ending}"), **options)


def test_the_kit_passes_it(tmp_path: Path, ending: str) -> None:
    task_of(tmp_path, ending)
    assert_loads_soundly(Files, **{split: str(tmp_path / f"{split}.{ending}") for split in ("train", "test")})


def test_rows_come_back_as_they_were_written(tmp_path: Path, ending: str) -> None:
    task = task_of(tmp_path, ending)
    splits = task.load()
    assert splits["train"].texts == TEXTS and splits["test"].texts == TEXTS[:2]
    assert task.classes == ("neg", "neutral", "pos") and task.num_classes == 3
    assert [task.classes[label] for label in splits["train"].labels] == LABELS
    assert splits["test"].ids == ["test/0", "test/1"] and splits["train"].groups is None
    assert list(splits) == ["train", "test"]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([10, 9, 2, 9, 10, 2], ("2", "9", "10")),
        ([True, False, True, True, False, True], ("false", "true")),
        (["10", "9", "b", "9", "10", "b"], ("10", "9", "b")),
        ([-1, 1, -1, 1, 1, 1], ("-1", "1")),
    ],
)
def test_classes_are_in_order_by_value_where_all_are_whole_numbers(
    tmp_path: Path, ending: str, labels: list[Any], classes: tuple[str, ...]
) -> None:
    task = task_of(tmp_path, ending, labels if ending != "csv" else [str(label).lower() for label in labels])
    assert task.classes == classes
    assert [classes[label] for label in task.load()["train"].labels] == [str(label).lower() for label in labels]


def test_labels_mean_the_same_in_files_of_different_kinds(tmp_path: Path) -> None:
    as_csv(tmp_path / "train.csv", text=["a", "b"], label=["7", " 3 "])
    as_jsonl(tmp_path / "test.jsonl", text=["c"], label=[7])
    splits = Files(train=str(tmp_path / "train.csv"), test=str(tmp_path / "test.jsonl")).load()
    assert (splits["train"].labels.tolist(), splits["test"].labels.tolist()) == ([1, 0], [1])


def test_columns_are_named_and_groups_kept_whole(tmp_path: Path, ending: str) -> None:
    columns = {"review": [f"text {row}" for row in range(40)], "stars": [row % 2 for row in range(40)]}
    WRITERS[ending](tmp_path / f"train.{ending}", **columns, film=[f"film{row // 4}" for row in range(40)])
    path = str(tmp_path / f"train.{ending}")
    task = Files(train=path, test=path, text="review", label="stars", group="film")
    splits = load_splits(task, validation_fraction=0.3, split_seed=0)
    train, validation = splits["train"].groups, splits["validation"].groups
    assert train and validation and not set(train) & set(validation) and len(validation) == 12


def test_a_validation_file_is_used_as_it_is(tmp_path: Path) -> None:
    as_jsonl(tmp_path / "validation.jsonl", text=["x"], label=["neg"])
    task = task_of(tmp_path, "csv", validation=str(tmp_path / "validation.jsonl"))
    splits = load_splits(task, validation_fraction=0.1, split_seed=0)
    assert splits["validation"].texts == ["x"] and len(splits["train"]) == len(TEXTS)


def test_the_content_is_the_identity_not_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(tmp_path, "csv")
    (tmp_path / "moved").mkdir()
    for name in ("train.csv", "test.csv"):
        (tmp_path / "moved" / name).write_bytes((tmp_path / name).read_bytes())
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path / "moved"))
    by_variable = Files(train="$SWARMFORMER_DATA/train.csv", test="$SWARMFORMER_DATA/test.csv")
    monkeypatch.chdir(tmp_path / "moved")
    assert task.identity() == by_variable.identity() == Files(train="train.csv", test="test.csv").identity()
    assert task.identity() != Files(train="test.csv", test="train.csv").identity()
    as_csv(tmp_path / "moved" / "train.csv", text=["x", "y"], label=["a", "b"])
    changed = Files(train="train.csv", test="test.csv")
    assert changed.identity() != task.identity() and changed.classes == ("a", "b")
    assert changed.identity() != Files(train="train.csv", test="test.csv", text="label", label="text").identity()


UNKNOWN = {"csv": "line 3", "jsonl": "line 2", "parquet": "row 1"}


def test_an_unknown_label_is_named_with_file_and_line(tmp_path: Path, ending: str) -> None:
    task = task_of(tmp_path, ending, test=["pos", "ngative"])
    place = rf"test\.{ending}, {UNKNOWN[ending]}: label 'ngative' does not occur in train .*train\.{ending}\)"
    with pytest.raises(DataError, match=place):
        task.load()


def test_faults_of_any_kind_of_file_are_named(tmp_path: Path, ending: str) -> None:
    write = WRITERS[ending]
    task = task_of(tmp_path, ending, text="review")
    words = r"has no column 'review'; its columns are: 'text', 'label'; name another in data\.task\.text"
    with pytest.raises(DataError, match=rf"train\.{ending}.* {words}"):
        task.load()
    with pytest.raises(DataError, match=r"column 'label' has 1 different labels \('a'\); at least 2"):
        _ = task_of(tmp_path, ending, ["a"] * 6).num_classes
    (tmp_path / f"test.{ending}").unlink()
    with pytest.raises(DataError, match=rf"test: .*test\.{ending} not found \(looked in"):
        Files(train=str(tmp_path / f"train.{ending}"), test=str(tmp_path / f"test.{ending}")).identity()
    if ending != "csv":
        write(tmp_path / f"train.{ending}", text=["a", "b"], label=[1.5, 2.0])
        with pytest.raises(DataError, match=r"'label' is 1.5, expected text, a whole number"):
            _ = Files(train=task.named["train"], test=task.named["train"]).num_classes
        write(tmp_path / f"train.{ending}", text=["a", None, "b"], label=[1, 2, 2])
        with pytest.raises(DataError, match=r"(line 2|row 1): 'text' is None, expected text"):
            Files(train=task.named["train"], test=task.named["train"]).load()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"text,label\nx,1\ny\n", r"a\.csv, line 3: fewer fields \(1\) than the 2 columns"),
        ("a.csv", b"text,label\nx,1\na, b,2\n", r"a\.csv, line 3: more fields \(3\) than the 2 columns"),
        ("a.csv", b'text,label\n"x,1\n', r"a\.csv, line 2: not CSV"),
        ("a.csv", b"text,label\nx,\n", r"a\.csv, line 2: 'label' is ''"),
        ("a.csv", b"", r"a\.csv has no column 'label'; its columns are: none"),
        ("a.csv", b"text,label,label\nx,1,2\n", r"a\.csv has several columns named 'label': rename"),
        ("a.csv", b"text,label\nx,1,\ny,2\n", r"a\.csv, line 3: fewer fields \(2\) than the 3 columns"),
        ("a.csv", b"text,label\nx,1\na, b,\n", r"a\.csv, line 3: more fields \(3\) than the 2 columns"),
        ("a.jsonl", b'{"text": "x", "label": 1, "label": 2}\n', r"a\.jsonl, line 1 has several columns named 'label"),
        ("a.jsonl", rb'{"text": "x", "label": "\ud83d"}', r"line 1: 'label' has \\ud83d at character 0, half of a"),
        ("a.jsonl", b'{"text": "x", "label": 1}\n{"text": \n', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl", b'{"text": "x", "label": 1}\n["y", 2]\n', r"a\.jsonl, line 2: expected an object"),
        ("a.jsonl", b'{"text": "x", "label": 1}\n{"text": "y"}\n', r"a\.jsonl, line 2 has no column 'label'"),
        ("a.parquet", b"text,label\n", r"a\.parquet cannot be read as parquet"),
        ("a.txt", b"text,label\n", r"a\.txt: not known by its ending; files end in \.csv, \.tsv, \.tab, \.jsonl"),
    ],
)
def test_a_malformed_file_is_named_with_the_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        _ = Files(train=str(tmp_path / name), test=str(tmp_path / name)).num_classes


def test_marks_of_spreadsheets_and_long_texts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes("\ufefftext,label\n".encode() + b"x" * 300_000 + b",1\ny,2\n")
    assert len(Files(train=str(path), test=str(path)).load()["train"].texts[0]) == 300_000


@pytest.mark.parametrize(
    "content",
    [
        ",text,label\n0,good film,1\n1,bad film,0\n",
        "text,label,\ngood film,1,\nbad film,0,\n",
        "text,label,\ngood film,1\nbad film,0\n",
        "text,label\ngood film,1,\nbad film,0,\n",
        "text,,label\ngood film,x,1\n\nbad film,y,0\n",
    ],
)
def test_columns_without_a_name_are_passed_over(tmp_path: Path, content: str) -> None:
    """pandas writes its index so; and lines of spreadsheets end in a comma."""
    (tmp_path / "train.csv").write_text(content)
    train = Files(train=str(tmp_path / "train.csv"), test=str(tmp_path / "train.csv")).load()["train"]
    assert (train.texts, train.labels.tolist()) == (["good film", "bad film"], [1, 0])


def test_half_a_character_is_named_with_file_and_line(tmp_path: Path) -> None:
    rows = ['{"text": "fine \\ud83d\\ude00", "label": 0}', '{"text": "cut \\ud83d", "label": 1}']
    (tmp_path / "train.jsonl").write_text("\n".join(rows))
    task = Files(train=str(tmp_path / "train.jsonl"), test=str(tmp_path / "train.jsonl"))
    with pytest.raises(DataError, match=r"train\.jsonl, line 2: 'text' has \\ud83d at character 4, half of a"):
        task.load()
    (tmp_path / "train.jsonl").write_text(rows[0] + "\n" + rows[1].replace(r"\ud83d", ""))
    assert task.load()["train"].texts[0] == "fine \N{GRINNING FACE}"


def test_files_that_are_not_named_are_asked_for() -> None:
    with pytest.raises(DataError, match=r"data\.task\.train must name a file \(\.csv"):
        Files(test="x.csv").identity()
    with pytest.raises(DataError, match=r"data\.task\.test must name"):
        _ = Files(train="x.csv").num_classes


def test_copies_between_splits_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="swarmformer.data"):
        task_of(tmp_path, "csv").load()
    assert "2 of 2 texts in test are also in train" in caplog.text


def run_over(folder: Path, **dims: int) -> Any:
    task = {"name": "files", "train": str(folder / "train.csv"), "test": str(folder / "test.csv")}
    patch = {"data": {"task": task, "validation_fraction": 0.34}, "model": {"dims": {"seq_len": 16, **dims}}}
    return resolve_run("base", [(patch, "test")])


def test_the_number_of_classes_reaches_the_model_and_is_checked(tmp_path: Path, cache: Path, vocabulary: Path) -> None:
    task = task_of(tmp_path, "csv")
    spec = run_over(tmp_path)
    assert spec.model.dims.num_classes == 3
    with pytest.raises(SpecError, match=r"model\.dims\.num_classes: 2, but task 'files' has 3; leave it out"):
        run_over(tmp_path, num_classes=2)
    assert load_data(spec).num_classes == 3
    as_csv(Path(task.named["train"]), text=TEXTS, label=["a", "b", "c", "d", "a", "b"])
    as_csv(Path(task.named["test"]), text=["x"], label=["d"])
    with pytest.raises(DataError, match="num_classes of task 'files' is 4, but the run was planned with 3"):
        load_data(spec)


def test_it_is_encoded_and_has_baselines_like_any_task(tmp_path: Path, cache: Path, vocabulary: Path) -> None:
    texts = [f"{'good' if row % 2 else 'bad'} film" for row in range(60)]
    for name in ("train", "test"):
        as_jsonl(tmp_path / f"{name}.jsonl", text=texts, label=[row % 2 for row in range(60)])
    task = Files(train=str(tmp_path / "train.jsonl"), test=str(tmp_path / "test.jsonl"))
    data = load_encoded(task, tokenizer="bert", seq_len=8, validation_fraction=0.2, split_seed=0)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 48, "validation": 12, "test": 60}
    rows = {row["name"]: row["accuracy"] for row in compute_predictors(task, validation_fraction=0.2, split_seed=0)}
    assert rows["majority class"] == 0.5 and rows["NB-SVM, unigrams"] == 1.0
