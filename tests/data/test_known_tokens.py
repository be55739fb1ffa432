"""Texts that are encoded once: the same tokens as without, whatever is drawn, cut, added or written twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer.data import known_tokens as known
from swarmformer.data.encoding import load_encoded
from swarmformer.data.tokenizer import load_tokenizer
from swarmformer.errors import DataError
from tests.data.toy_tasks import Toy, make_split

SETTINGS: dict[str, Any] = {"tokenizer": "bert", "seq_len": 6, "validation_fraction": 0.3, "redrawn": True}


@pytest.fixture
def task() -> Toy:
    task = Toy()
    texts = [f"{'good ' * (row % 9)}film{' bad' * (row // 9)}" for row in range(40)]
    train, test = [*texts, texts[0], "", "bad"], ["bad", "", "a"]
    task.splits = {"train": make_split("train", train), "test": make_split("test", test)}
    return task


def entries(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if path.is_dir() and "-texts-" in path.name]


@pytest.mark.parametrize("cut", ["head", "head_tail"])
def test_every_draw_has_the_tokens_that_it_has_without(
    task: Toy, cache: Path, vocabulary: Path, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SETTINGS, "cut": cut, "drop_copies": True}
    together = [load_encoded(task, **settings, split_seed=seed) for seed in (0, 1, 2)]
    assert len(entries(cache)) == 1
    shutil.rmtree(cache)
    monkeypatch.setattr("swarmformer.data.encoding._known", lambda *given: known.NONE)
    for seed, one in enumerate(together):
        alone = load_encoded(task, **settings, split_seed=seed)
        assert one.key == alone.key
        for name, split in alone.splits.items():
            assert split.truncated == one.splits[name].truncated
            assert split.truncated > 0 or name == "test"
            for column in ("ids", "offsets", "labels", "names"):
                np.testing.assert_array_equal(getattr(one.splits[name], column), getattr(split, column))


def test_texts_are_encoded_once_and_new_ones_when_they_come(
    cache: Path, vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = load_tokenizer("bert"), list[str]()

    class Counting:
        def no_truncation(self) -> None:
            real.no_truncation()

        def encode_batch_fast(self, texts: list[str]) -> Any:
            asked.extend(texts)
            return real.encode_batch_fast(texts)

    tokenizer: Any = Counting()
    cache.mkdir(exist_ok=True)
    for _ in range(2):  # the second time it is there
        found = known.known_tokens(cache / "texts", [["a film", "bad"], ["a film", ""]], tokenizer)
    assert sorted(asked) == ["", "a film", "a film", "bad"]
    asked.clear()
    texts = ["bad", "good film", "", "a film", "good"]
    rows = [list(row) for row in found.rows(texts, tokenizer)]
    assert rows == [real.encode(text).ids for text in texts] and asked == ["good film", "good"]
    assert known.NONE.rows(["bad"], tokenizer)[0] == real.encode("bad").ids


def test_a_fixed_split_keeps_no_second_copy(task: Toy, cache: Path, vocabulary: Path) -> None:
    load_encoded(task, tokenizer="bert", seq_len=6, validation_fraction=0.3, split_seed=0)
    assert entries(cache) == []


def test_a_damaged_copy_is_told(task: Toy, cache: Path, vocabulary: Path) -> None:
    load_encoded(task, **SETTINGS, split_seed=0)
    file = cache / entries(cache)[0] / "ids.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged.*Delete this folder"):
        load_encoded(task, **SETTINGS, split_seed=1)
