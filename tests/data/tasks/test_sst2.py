from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from swarmformer.data.split import load_splits
from swarmformer.data.tasks.sst2 import Sst2
from swarmformer.errors import DataError, SpecError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    (tmp_path / "sst2").mkdir()
    for split in ("train", "validation", "test"):
        write(tmp_path / "sst2" / f"{split}.parquet", [f"{split} one ", "two"], [1, 0])
    return tmp_path / "sst2"


def write(path: Path, texts: list[str], labels: list[int]) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": labels}), path)


def test_the_splits_are_those_of_the_source(folder: Path) -> None:
    splits = load_splits(Sst2(), validation_fraction=0.1, split_seed=0)
    assert set(splits) == {"train", "validation", "test"}
    for name, split in splits.items():
        assert split.texts == [f"{name} one", "two"], "blanks at the end are dropped"
        assert (split.labels.tolist(), split.ids) == ([1, 0], [f"{name}/0", f"{name}/1"])


def test_files_are_the_identity_and_faults_are_named(folder: Path) -> None:
    before = Sst2().identity()
    write(folder / "test.parquet", ["hidden"], [-1])
    assert Sst2().identity() != before
    with pytest.raises(DataError, match=r"test.parquet, row 0: label -1, expected one of 0 \(negative\), 1"):
        Sst2().load()
    (folder / "validation.parquet").unlink()
    with pytest.raises(DataError, match=r"validation.parquet not found.*or unset it to use the hub's stanfordnlp/sst2"):
        Sst2().identity()


def test_a_limit_takes_a_sample_of_every_split(folder: Path) -> None:
    assert [len(split) for split in Sst2(limit=1).load().values()] == [1, 1, 1]
    assert Sst2(limit=1).identity() != Sst2().identity()
    with pytest.raises(SpecError, match="task sst2: limit must be 0"):
        Sst2(limit=-1)


def test_without_a_folder_two_data_sets_of_the_hub_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def load_dataset(name: str, *, revision: str, split: list[str]) -> list[datasets.Dataset]:
        assert len(revision) == 40
        column, allowed = {
            "stanfordnlp/sst2": ("sentence", {"train", "validation"}), "SetFit/sst2": ("text", {"test"}),
        }[name]  # fmt: skip
        assert set(split) <= allowed, "GLUE hides its test labels"
        return [datasets.Dataset.from_dict({column: [f"{part} a ", "b"], "label": [0, 1]}) for part in split]

    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    splits = Sst2().load()
    assert {name: split.texts[0] for name, split in splits.items()} == {name: f"{name} a" for name in splits}
    assert list(splits) == ["train", "validation", "test"]
    assert set(Sst2().identity()["hub"]) == {"stanfordnlp/sst2", "SetFit/sst2"}


def test_without_folder_and_network_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(DataError, match=r"no route.*set SWARMFORMER_DATA .*sst2/test.parquet"):
        Sst2().load()


def test_the_real_sentences(real_data: Callable[[str], Path]) -> None:
    real_data("sst2/train.parquet")
    splits = load_splits(Sst2(), validation_fraction=0.1, split_seed=0)
    assert {name: np.bincount(split.labels).tolist() for name, split in splits.items()} == {
        "train": [29_780, 37_569], "validation": [428, 444], "test": [912, 909],
    }  # fmt: skip
    assert splits["validation"].texts[0] == "it 's a charming and often affecting journey ."
