from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from swarmformer import registry
from swarmformer.data.split import load_splits
from swarmformer.data.tasks.imdb import Imdb
from swarmformer.errors import DataError, SpecError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve made-up reviews per split, of three films each."""
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    (tmp_path / "imdb").mkdir()
    for split in ("train", "test"):
        write(tmp_path / "imdb" / f"{split}.parquet", text=[f"{split} {i}" for i in range(12)], label=[0, 1] * 6)
        write(tmp_path / "imdb" / f"{split}_meta.parquet", movie=[f"film{i % 3}" for i in range(12)])
    return tmp_path / "imdb"


def write(path: Path, **columns: list[Any]) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def test_rows_keep_their_texts_labels_and_films(folder: Path) -> None:
    test = Imdb().load()["test"]
    assert test.texts == [f"test {row}" for row in range(12)]
    assert test.labels.tolist() == [0, 1] * 6
    assert test.ids == [f"test/{row}" for row in range(12)]
    assert test.groups == [f"film{row % 3}" for row in range(12)]


def test_films_are_optional_and_part_of_the_identity(folder: Path) -> None:
    before = Imdb().identity()
    (folder / "train_meta.parquet").unlink()
    assert Imdb().load()["train"].groups is None
    assert Imdb().identity() != before


def test_a_limit_takes_a_fixed_sample_and_changes_the_identity(folder: Path) -> None:
    small, larger = Imdb(limit=4).load()["train"], Imdb(limit=7).load()["train"]
    assert len(small) == 4
    assert larger.ids[:4] == small.ids != [f"train/{row}" for row in range(4)]
    assert all(text == f"train {example.split('/')[1]}" for text, example in zip(small.texts, small.ids, strict=True))
    assert Imdb(limit=4).identity() != Imdb(limit=7).identity() != Imdb().identity()
    with pytest.raises(SpecError, match="limit"):
        Imdb(limit=-1)


def test_a_limit_can_leave_test_whole(folder: Path) -> None:
    limited, whole = Imdb(limit=4).load(), Imdb(limit=4, whole_test=True).load()
    assert limited["train"].ids == whole["train"].ids and len(limited["test"]) == 4
    assert whole["test"].ids == Imdb().load()["test"].ids
    assert Imdb(limit=4).identity() != Imdb(limit=4, whole_test=True).identity()
    assert Imdb(whole_test=True).identity() == Imdb().identity(), "without a limit it is whole anyway"


def test_reviews_without_labels_are_a_file_of_their_own(folder: Path) -> None:
    with pytest.raises(DataError, match=r"unsupervised.parquet not found"):
        Imdb().unlabelled()
    write(folder / "unsupervised.parquet", text=[f"more {row}" for row in range(20)], label=[-1] * 20)
    before, found = Imdb().unlabelled_identity(), Imdb().unlabelled()
    assert found.texts == [f"more {row}" for row in range(20)] and set(found.labels.tolist()) == {-1}
    assert len(Imdb(limit=4).unlabelled()) == 8 and len(Imdb(limit=11).unlabelled()) == 20
    assert set(Imdb().load()) == {"train", "test"}
    write(folder / "unsupervised.parquet", text=["other"])
    assert Imdb().unlabelled_identity() != before


def test_changed_files_change_the_identity(folder: Path) -> None:
    before = Imdb().identity()
    write(folder / "test.parquet", text=["other"], label=[1])
    assert Imdb().identity() != before


def test_missing_files_say_where_they_belong(folder: Path) -> None:
    (folder / "test.parquet").unlink()
    with pytest.raises(DataError, match=f"{folder / 'test.parquet'} not found.*SWARMFORMER_DATA"):
        Imdb().load()
    with pytest.raises(DataError, match="not found"):
        Imdb().identity()


def test_missing_columns_are_named(folder: Path) -> None:
    write(folder / "train.parquet", review=["x"], label=[0])
    with pytest.raises(DataError, match=r"train.parquet has no column text; its columns are: review, label"):
        Imdb().load()


@pytest.mark.parametrize("label", [2, -1, None])
def test_a_label_outside_the_classes_is_named(folder: Path, label: int | None) -> None:
    write(folder / "train.parquet", text=["x", "y"], label=[1, label])
    with pytest.raises(DataError, match=rf"train.parquet, row 1: label {label}"):
        Imdb().load()


def test_a_file_that_is_no_parquet_is_named(folder: Path) -> None:
    (folder / "train.parquet").write_text("text,label\n")
    with pytest.raises(DataError, match=r"train.parquet cannot be read as parquet"):
        Imdb().load()


def test_films_that_do_not_match_the_reviews_are_refused(folder: Path) -> None:
    write(folder / "train_meta.parquet", movie=["film0"])
    with pytest.raises(DataError, match=r"12 texts.*1 groups"):
        load_splits(Imdb(), validation_fraction=0.3, split_seed=0)


def test_without_a_folder_the_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def load_dataset(name: str, *, revision: str, split: list[str]) -> list[datasets.Dataset]:
        assert name == "stanfordnlp/imdb" and len(revision) == 40
        return [datasets.Dataset.from_dict({"text": [f"{part} a", "b"], "label": [0, 1]}) for part in split]

    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    splits = Imdb().load()
    assert splits["test"].texts == ["test a", "b"]
    assert splits["train"].labels.tolist() == [0, 1]
    assert "revision" in Imdb().identity()


def test_without_folder_and_network_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(DataError, match=r"no route.*set SWARMFORMER_DATA"):
        Imdb().load()


def test_it_is_registered() -> None:
    assert registry.get("task", "imdb") is Imdb


def test_the_real_reviews(real_data: Callable[[str], Path]) -> None:
    real_data("imdb/train.parquet")
    splits = load_splits(Imdb(), validation_fraction=0.1, split_seed=0)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 22_500, "validation": 2_500, "test": 25_000
    }  # fmt: skip
    assert np.bincount(splits["test"].labels).tolist() == [12_500, 12_500]
    train, validation = splits["train"], splits["validation"]
    assert train.groups is not None and validation.groups is not None
    assert not set(train.groups) & set(validation.groups)
    assert splits["test"].texts[0].startswith("I love sci-fi and am willing")
    assert not splits["test"].labels[0]
    assert "<br />" in "".join(train.texts[:100])


@pytest.mark.slow
def test_the_real_reviews_are_encoded_within_a_minute(
    real_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarmformer.data.encoding import load_encoded

    real_data("imdb/train.parquet")
    monkeypatch.setenv("SWARMFORMER_CACHE", str(tmp_path))
    settings: dict[str, Any] = dict(tokenizer="bert", seq_len=256, validation_fraction=0.1, split_seed=0)
    started = time.monotonic()
    data = load_encoded(Imdb(), **settings)
    assert time.monotonic() - started < 60
    assert data.splits["test"].lengths.max() == 256
    assert data.vocab_size == 30_522
