from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer.data.encoded import EncodedData, OtherTest
from swarmformer.data.encoding import load_encoded
from swarmformer.data.tokenizer import load_tokenizer
from swarmformer.errors import DataError
from swarmformer.source_code import hash_of_supplier
from tests.data.toy_tasks import Toy, make_split

SETTINGS: dict[str, Any] = {"tokenizer": "bert", "seq_len": 8, "validation_fraction": 0.2, "split_seed": 0}


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.is_dir()]


def assert_same(first: EncodedData, second: EncodedData) -> None:
    assert first.key == second.key
    for name, split in first.splits.items():
        other = second.splits[name]
        assert split.truncated == other.truncated
        for column in ("ids", "offsets", "labels", "names"):
            assert np.array_equal(getattr(split, column), getattr(other, column))


def test_every_example_is_what_the_tokenizer_gives(toy: Toy, cache: Path, vocabulary: Path) -> None:
    data = load_encoded(toy, **SETTINGS)
    tokenizer = load_tokenizer("bert")
    texts = dict(zip(toy.splits["train"].ids, toy.splits["train"].texts, strict=True))
    texts |= dict(zip(toy.splits["test"].ids, toy.splits["test"].texts, strict=True))
    seen = []
    for split in data.splits.values():
        assert (split.ids.dtype, split.offsets.dtype, split.labels.dtype) == (np.int32, np.int64, np.int64)
        for row, name in enumerate(split.names.tolist()):
            full = tokenizer.encode(texts[name]).ids
            expected = full if len(full) <= 8 else [*full[:7], 3]
            assert split.example(row).tolist() == expected
            assert split.labels[row] == int(name.split("/")[1]) % 2
            seen.append(name)
        long = sum(len(tokenizer.encode(texts[name]).ids) > 8 for name in split.names.tolist())
        assert split.truncated == long
    assert sorted(seen) == sorted(texts)
    assert (len(data.splits["validation"]), len(data.splits["test"])) == (4, 3)
    assert (data.vocab_size, data.num_classes, data.pad_id) == (15, 2, 0)


def test_examples_of_another_version_are_encoded_anew(
    toy: Toy, cache: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_encoded(toy, **SETTINGS)
    monkeypatch.setattr(Toy, "VERSION", 2)
    toy.splits["test"] = make_split("test", ["good", "good"])
    second = load_encoded(toy, **SETTINGS)
    assert first.key != second.key and first.source_key != second.source_key and len(second.splits["test"]) == 2


TASK = '''
from tests.data.toy_tasks import Toy

class Mine(Toy):
    """Says the same of itself whatever its examples are."""

    def load(self):
        splits = super().load()
        return {{**splits, "test": splits["test"].take([{row}])}}
'''


def test_a_task_of_the_same_name_in_another_file_is_another(
    cache: Path, vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for row in (0, 2):
        (tmp_path / str(row)).mkdir()
        (tmp_path / str(row) / "same_name.py").write_text(TASK.format(row=row))
        monkeypatch.syspath_prepend(tmp_path / str(row))
        monkeypatch.delitem(sys.modules, "same_name", raising=False)
        hash_of_supplier.cache_clear()
        found.append(load_encoded(importlib.import_module("same_name").Mine(), **SETTINGS).splits["test"])
    assert [split.names.tolist() for split in found] == [["test/0"], ["test/2"]]


PACKED = """
from tests.data.toy_tasks import Toy
from .rows import ROW

class Mine(Toy):
    def load(self):
        splits = super().load()
        return {**splits, "test": splits["test"].take([ROW])}
"""


def test_a_task_that_reads_another_module_of_its_package_is_another_when_that_changes(
    cache: Path, vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "packed_task").mkdir()
    (tmp_path / "packed_task" / "__init__.py").touch()
    (tmp_path / "packed_task" / "task.py").write_text(PACKED)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # both are written within a second
    for row in (0, 2):
        (tmp_path / "packed_task" / "rows.py").write_text(f"ROW = {row}\n")
        for name in [name for name in sys.modules if name.startswith("packed_task")]:
            monkeypatch.delitem(sys.modules, name)
        hash_of_supplier.cache_clear()
        found.append(load_encoded(importlib.import_module("packed_task.task").Mine(), **SETTINGS).splits["test"])
    assert [split.names.tolist() for split in found] == [["test/0"], ["test/2"]]


def test_the_sources_that_are_told_are_those_of_today(
    toy: Toy, cache: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old.csv", "new.csv"):
        monkeypatch.setattr(toy, "sources", lambda name=name: {"train": name})
        assert load_encoded(toy, **SETTINGS).facts["sources"] == {"train": name}
    assert toy.loads == 1


def test_empty_text_is_the_two_special_tokens(toy: Toy, cache: Path, vocabulary: Path) -> None:
    assert load_encoded(toy, **SETTINGS).splits["test"].example(1).tolist() == [2, 3]


def test_the_second_time_comes_from_the_cache(toy: Toy, cache: Path, vocabulary: Path) -> None:
    first = load_encoded(toy, **SETTINGS)
    second = load_encoded(toy, **SETTINGS)
    assert toy.loads == 1
    assert_same(first, second)
    assert isinstance(second.splits["train"].ids, np.memmap)


@pytest.mark.parametrize(
    "change", [{"seq_len": 9}, {"validation_fraction": 0.3}, {"split_seed": 1}, {"version": 2}, {"words": "x"}]
)
def test_whatever_changes_the_data_changes_the_key(
    toy: Toy, cache: Path, vocabulary: Path, change: dict[str, Any]
) -> None:
    before = load_encoded(toy, **SETTINGS).key
    toy.version = change.get("version", 1)
    if "words" in change:
        vocabulary.write_text(vocabulary.read_text() + change["words"] + "\n")
    after = load_encoded(toy, **{k: change.get(k, v) for k, v in SETTINGS.items()}).key
    assert before != after
    assert toy.loads == 2


def test_own_vocabulary_needs_no_tokenizer(toy: Toy, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    toy.vocabulary = ("[PAD]", "x", "y")
    texts = ["x y", "y", "x x x x x x x x x"]
    toy.splits = {"train": make_split("train", texts * 4), "test": make_split("test", texts)}
    data = load_encoded(toy, **{**SETTINGS, "tokenizer": "not used"})
    test = data.splits["test"]
    assert [test.example(row).tolist() for row in range(3)] == [[1, 2], [2], [1] * 8]
    assert (data.vocab_size, data.pad_id, test.truncated) == (3, 0, 1)


@pytest.mark.parametrize(("text", "words"), [("x z", "test/1.*'z'"), ("", "test/1.*empty")])
def test_text_outside_the_own_vocabulary_is_named(toy: Toy, cache: Path, text: str, words: str) -> None:
    toy.vocabulary = ("[PAD]", "x", "y")
    toy.splits = {"train": make_split("train", ["x", "y"] * 5), "test": make_split("test", ["x", text])}
    with pytest.raises(DataError, match=words):
        load_encoded(toy, **SETTINGS)
    assert not entries(cache), "nothing half-made stays behind"


def _replace(path: Path, content: bytes) -> None:
    """A new file in the old one's place: arrays already loaded keep the old one."""
    path.unlink()
    path.write_bytes(content)


def _truncate(folder: Path) -> None:
    path = folder / "train.ids.npy"
    _replace(path, path.read_bytes()[:-4])


def _flip(folder: Path) -> None:
    path = folder / "test.labels.npy"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    _replace(path, bytes(content))


def _rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _rename_key(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "key": "other"}))


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _flip,
        _rename_key,
        lambda folder: (folder / "test.names.npy").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: _rewrite(folder / "manifest.json", '"pad_id": 0', '"pad_id": 1'),
        lambda folder: (folder / "manifest.json").write_text("[]"),
    ],
)
def test_a_damaged_entry_names_the_folder_to_delete(
    toy: Toy, cache: Path, vocabulary: Path, damage: Callable[[Path], Any]
) -> None:
    first = load_encoded(toy, **SETTINGS)
    (folder,) = entries(cache)
    damage(folder)
    with pytest.raises(DataError, match=f"{folder}.*[Dd]elete"):
        load_encoded(toy, **SETTINGS)
    shutil.rmtree(folder)
    assert_same(first, load_encoded(toy, **SETTINGS))


def test_arrays_of_objects_are_not_unpickled(toy: Toy, cache: Path, vocabulary: Path) -> None:
    import zlib

    load_encoded(toy, **SETTINGS)
    (folder,) = entries(cache)
    np.save(folder / "test.ids.npy", np.array([{}], dtype=object), allow_pickle=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["checksum"]
    manifest["arrays"]["test.ids"] = zlib.crc32((folder / "test.ids.npy").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="damaged"):
        load_encoded(toy, **SETTINGS)


LOAD = """
import sys
from swarmformer.data.encoding import load_encoded
from swarmformer.data.tasks.{task} import {cls}
data = load_encoded({cls}({options}), tokenizer="bert", seq_len=16, validation_fraction=0.1, split_seed=0)
heavy = sorted({{"datasets", "pyarrow", "tokenizers", "sklearn", "pandas"}} & set(sys.modules))
print(data.key, len(data.splits["train"]), *heavy)
"""


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )


def output(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


def test_a_cached_load_imports_no_data_library(cache: Path, vocabulary: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (vocabulary.parent / "imdb").mkdir()
    for name in ("train", "test"):
        table = pyarrow.table({"text": [f"good film {row}" for row in range(20)], "label": [0, 1] * 10})
        pyarrow.parquet.write_table(table, vocabulary.parent / "imdb" / f"{name}.parquet")
    code = LOAD.format(task="imdb", cls="Imdb", options="")
    cold, warm = output(start(code)), output(start(code))
    assert {"pyarrow", "tokenizers"} <= set(cold[2:]), "otherwise this test proves nothing"
    assert warm == cold[:2]


def test_two_processes_at_once_both_succeed(cache: Path) -> None:
    code = LOAD.format(task="listops", cls="ListOps", options="num_train=3000, num_test=50, num_validation=50")
    processes = [start(code) for _ in range(2)]
    first, second = [output(process)[:2] for process in processes]
    assert first == second
    assert len(entries(cache)) == 1


def test_what_is_tried_sees_no_test_split(toy: Toy, cache: Path, vocabulary: Path) -> None:
    data = load_encoded(toy, **SETTINGS)
    asked = replace(data, out_of_domain={"other": OtherTest(data.splits["test"], "key")})
    kept = asked.without_test()
    assert list(kept.splits) == ["train", "validation"] and kept.out_of_domain == {}
