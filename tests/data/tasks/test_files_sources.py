"""Where own files come from: several, folders, patterns; a test split set aside; texts without labels; a title."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer.data.leakage import normalised
from swarmformer.data.split import load_splits
from swarmformer.data.tasks.files import Files
from swarmformer.data.unlabelled import load_unlabelled
from swarmformer.errors import DataError, SpecError
from swarmformer.rehearsal import check_task
from swarmformer.variants import resolve_run

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A JSONL file of texts and labels below the test's folder; its path."""

    def written(name: str, rows: list[tuple[str, Any]], **columns: list[Any]) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        beside = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        records = [{"text": text, "label": label} for text, label in rows]
        lines = [json.dumps(row | more) for row, more in zip(records, beside or [{}] * len(rows), strict=True)]
        path.write_text("\n".join(lines))
        return str(path)

    return written


def test_several_files_folders_and_patterns_are_read_in_the_order_of_their_names(tmp_path: Path, write: Write) -> None:
    second, first = write("parts/b.jsonl", [("b", 1), ("c", 0)]), write("parts/a.jsonl", [("a", 0)])
    (tmp_path / "parts" / "notes.txt").write_text("no table")
    (tmp_path / "parts" / ".hidden.csv").write_text("")
    (tmp_path / "parts" / "c.csv").write_text("text;label\nd;1\n")
    third, pattern = str(tmp_path / "parts" / "c.csv"), str(tmp_path / "p*" / "*.*")
    for train in (str(tmp_path / "parts"), pattern, [first, second, third]):
        task = Files(train=train, test=first)
        assert task.load()["train"].texts == ["a", "b", "c", "d"]
        assert task.load()["train"].ids == ["train/0", "train/1", "train/2", "train/3"]
        assert task.sources()["train"] == "a.jsonl (utf-8), b.jsonl (utf-8), c.csv (utf-8, ';')"
        assert isinstance(task.identity()["files"]["train"], list)
    assert Files(train=[second, first], test=first).load()["train"].texts == ["b", "c", "a"]
    assert Files(train=[second, first], test=first).identity() != Files(train=[first, second], test=first).identity()


def test_what_names_no_file_is_told(tmp_path: Path, write: Write) -> None:
    first = write("a.jsonl", [("a", 0)])
    (tmp_path / "empty").mkdir()
    for train, words in (
        ([first, first], "data.task.train: .*a.jsonl is named twice"),
        (str(tmp_path / "empty"), r"data.task.train: the folder .*empty has no file ending in \.csv"),
        (str(tmp_path / "*.csv"), r"data.task.train: the pattern .*\*\.csv has no file"),
        (str(tmp_path / "b.csv"), r"data.task.train: .*b\.csv not found \(looked in"),
    ):
        with pytest.raises(DataError, match=words):
            Files(train=train, test=first).identity()


def test_a_test_split_is_set_aside_once_of_each_class_with_copies_on_one_side(write: Write) -> None:
    texts = [(f"text {row // 2 if row < 40 else row}", "rare" if row >= 90 else "often") for row in range(100)]
    path = write("all.jsonl", texts)
    task = Files(train=path, test_fraction=0.3)
    train, test = task.load()["train"], task.load()["test"]
    assert Counter(task.classes[label] for label in test.labels) == {"often": 27, "rare": 3}
    assert not {normalised(text) for text in train.texts} & {normalised(text) for text in test.texts}
    named = zip([*train.ids, *test.ids], [*train.texts, *test.texts], strict=True)
    by_row = {int(name.split("/")[1]): text for name, text in named}
    assert [by_row[row] for row in range(100)] == [text for text, _ in texts]
    for seed in (0, 1):
        splits = load_splits(task, validation_fraction=0.2, split_seed=seed)
        assert list(splits["test"].ids) == list(test.ids)
    assert task.identity() != Files(train=path, test_fraction=0.2).identity()


def test_groups_are_kept_whole_when_a_test_split_is_set_aside(write: Write) -> None:
    rows = [(f"text {row}", row % 2) for row in range(60)]
    path = write("all.jsonl", rows, film=[f"film {row // 4}" for row in range(60)])
    splits = Files(train=path, test_fraction=0.25, group="film").load()
    assert not set(splits["train"].groups or ()) & set(splits["test"].groups or ())
    assert 8 <= len(splits["test"]) <= 16


def test_copies_join_the_groups_that_share_them_when_a_test_split_is_set_aside(write: Write) -> None:
    """Twenty films of six reviews; every other review of a film is copied into the next but one of its ten."""
    rows = [(f"text {film % 10}/{place}" if place % 2 else f"text {film}-{place}", place % 2)
            for film in range(20) for place in range(6)]  # fmt: skip
    path = write("all.jsonl", rows, film=[f"film {row // 6}" for row in range(120)])
    splits = Files(train=path, test_fraction=0.3, group="film").load()
    train, test = splits["train"], splits["test"]
    assert not set(train.texts) & set(test.texts) and not set(train.groups or ()) & set(test.groups or ())
    assert 12 <= len(test) <= 36
    every = write("one.jsonl", [("the same text", row % 2) for row in range(40)], film=[f"film {n}" for n in range(40)])
    with pytest.raises(DataError, match="of 40 examples, of which 40 stay together as they share a 'film'"):
        Files(train=every, test_fraction=0.3, group="film").load()


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "data.task.test must name a file, or data.task.test_fraction"), ({"test_fraction": 0.001}, "leaves ")],
)
def test_a_test_split_is_needed(write: Write, options: dict[str, Any], words: str) -> None:
    path = write("all.jsonl", [("a", 0), ("b", 1)])
    with pytest.raises(DataError, match=words):
        Files(train=path, **options).load()
    with pytest.raises(SpecError, match="test names files, so test_fraction must be 0"):
        Files(train=path, test=path, test_fraction=0.5)


def test_groups_on_both_sides_are_told(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    train = write("train.jsonl", [("a", 0), ("b", 1)], film=["x", "y"])
    test = write("test.jsonl", [("c", 0)], film=["y"])
    with caplog.at_level("WARNING", logger="swarmformer.data"):
        Files(train=train, test=test, group="film").load()
    assert "1 groups of test are also in train, 'y' for one" in caplog.text


def test_texts_without_labels_leave_out_what_a_split_has(
    tmp_path: Path, write: Write, cache: Path, vocabulary: Path
) -> None:
    train = write("train.jsonl", [("good film", 1), ("bad film", 0)])
    test = write("test.jsonl", [("a film", 1)])
    (tmp_path / "more.csv").write_bytes("id;text\n1;good\n2;GOOD film !\n3;A film\n4;bad <\n5;\n".encode("utf-16"))
    task = Files(train=train, test=test, unlabelled=str(tmp_path / "more.csv"))
    found = load_unlabelled(task, tokenizer="bert", seq_len=8)
    assert (found.split.names.tolist(), found.copies) == (["unlabelled/0", "unlabelled/3"], 2)
    assert task.unlabelled_identity()["read"] == [{"encoding": "utf-16", "delimiter": ";"}]
    assert task.identity() == Files(train=train, test=test).identity()


def spec_of(train: str, **options: Any) -> Any:
    task = {"name": "files", "train": train, "test": train, **options}
    stages = [{"name": "masked_tokens", "texts": "unlabelled"}, "supervised"]
    patch = {"data": {"task": task}, "train": {"stages": stages}, "model": {"dims": {"seq_len": 16}}}
    return resolve_run("base", [(patch, "test")])


def test_pretraining_needs_texts_and_a_title_changes_no_key(write: Write, vocabulary: Path) -> None:
    path = write("train.jsonl", [("good film", 1), ("bad film", 0)])
    with pytest.raises(SpecError, match=r"task 'files' has none: .*data\.task\.unlabelled"):
        check_task(spec_of(path))
    plain, titled = spec_of(path, unlabelled=path), spec_of(path, unlabelled=path, title="My reviews")
    check_task(plain)
    assert plain.run_key == titled.run_key != spec_of(path).run_key
    assert (plain.data.called, titled.data.called) == ("files", "My reviews")
    with pytest.raises(DataError, match=r"data\.task\.unlabelled must name"):
        Files(train=path, test=path).unlabelled()


def test_stratifying_gives_every_class_its_share(write: Write) -> None:
    labels = ["a"] * 100 + ["b"] * 20 + ["c"] * 2 + ["d"]
    path = write("all.jsonl", [(f"text {row}", label) for row, label in enumerate(labels)])
    task = Files(train=path, test=path)
    for seed in range(3):
        splits = load_splits(task, validation_fraction=0.1, split_seed=seed, stratify=True)
        assert np.bincount(splits["validation"].labels, minlength=4).tolist() == [10, 2, 1, 0]
        assert np.bincount(splits["train"].labels, minlength=4).tolist() == [90, 18, 1, 1]
