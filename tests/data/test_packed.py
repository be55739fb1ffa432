"""Packed columns are read as lists are; what grows beyond memory lies in a file and is the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmformer.data import packed
from swarmformer.data.packed import Names, Packing, Spool, Texts, are_distinct, taken

TEXTS = st.lists(st.text(st.characters(blacklist_categories=("Cs",))), max_size=20)


def packed_texts(texts: list[str]) -> Texts:
    packing = Packing()
    for text in texts:
        packing.add(text)
    return packing.texts()


@given(TEXTS, st.data())
def test_packed_texts_are_read_as_a_list_is(texts: list[str], data: st.DataObject) -> None:
    found = packed_texts(texts)
    assert found == texts and list(found) == texts and len(found) == len(texts)
    assert found[1:7:2] == texts[1:7:2] and found[::-1] == texts[::-1]
    rows = data.draw(st.lists(st.integers(0, max(0, len(texts) - 1)), max_size=len(texts) and 9))
    chosen = taken(taken(found, np.array(rows, dtype=int)), np.arange(len(rows))[::-1])
    assert isinstance(chosen, Texts) and chosen == [texts[row] for row in reversed(rows)]
    assert found != [*texts, "more"]


def test_names_are_those_of_their_rows() -> None:
    names = Names("train", np.array([3, 0, 12]))
    assert names == ["train/3", "train/0", "train/12"] and np.array(names).tolist() == list(names)
    assert np.array(names).dtype == np.array(list(names)).dtype
    assert np.array(taken(names, np.array([1]))).tolist() == ["train/0"]
    assert are_distinct(names) and not are_distinct(taken(names, np.array([1, 1])))
    assert are_distinct(["a", "b"]) and not are_distinct(["a", "a"])


def test_what_does_not_fit_into_memory_lies_in_a_file_without_a_name(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "LARGEST", 100)
    monkeypatch.setattr(packed, "BUFFER", 3)
    parts = [np.arange(start, start + 7) for start in range(0, 70, 7)]
    spool = Spool(np.int32)
    for part in parts:
        spool.add(part)
    assert isinstance(spool.array(), np.memmap) and spool.array().tolist() == list(range(70))
    texts = [f"text {row} ü" * (row % 5) for row in range(50)]
    found = packed_texts(texts)
    assert isinstance(found.data, np.memmap) and found == texts and not list(cache.iterdir())
