from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmformer.data.draw import drawn, numbered
from swarmformer.data.split import check_splits, cut_validation, load_splits
from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError
from tests.data.toy_tasks import Toy, make_split


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=20, max_size=60),
    fraction=st.floats(0.1, 0.5),
    seed=st.integers(0, 2**31),
)
def test_no_group_is_on_both_sides(sizes: list[int], fraction: float, seed: int) -> None:
    groups = [f"film{index}" for index, size in enumerate(sizes) for _ in range(size)]
    train = make_split("train", [str(row) for row in range(len(groups))], groups)
    rest, validation = cut_validation(train, fraction, seed)
    assert rest.groups is not None and validation.groups is not None
    assert not set(rest.groups) & set(validation.groups)
    assert sorted([*rest.ids, *validation.ids]) == sorted(train.ids)
    wanted = round(fraction * len(train))
    assert wanted - max(sizes) < len(validation) <= wanted


def test_texts_labels_and_ids_stay_together() -> None:
    train = make_split("train", [f"text {row}" for row in range(50)])
    for part in cut_validation(train, 0.2, 3):
        rows = [int(example.removeprefix("train/")) for example in part.ids]
        assert part.texts == [f"text {row}" for row in rows]
        assert np.array_equal(part.labels, np.array(rows) % 2)


def test_the_seed_decides() -> None:
    train = make_split("train", [str(row) for row in range(200)])
    first, again, other = (cut_validation(train, 0.1, seed)[1].ids for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert len(first) == 20


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 0.001])
def test_a_fraction_that_leaves_nothing_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match="validation_fraction"):
        cut_validation(make_split("train", ["a", "b", "c"]), fraction, 0)


def test_a_validation_split_of_the_source_is_kept(toy: Toy) -> None:
    toy.splits["validation"] = make_split("validation", ["x", "y"])
    splits = load_splits(toy, validation_fraction=0.1, split_seed=0)
    assert list(splits) == ["train", "validation", "test"]
    assert splits["validation"].ids == ["validation/0", "validation/1"]
    assert len(splits["train"]) == 20
    with pytest.raises(DataError, match=r"data\.stratify: true and data\.validation_fraction: 0\.5, but .* of its own"):
        load_splits(toy, validation_fraction=0.5, split_seed=0, stratify=True)


GOOD = make_split("test", ["a", "b", "c"])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (replace(GOOD, labels=np.array([0, 1, 2])), r"'test', example 'test/2': label 2 is outside 0…1"),
        (replace(GOOD, labels=np.array([0, -1, 1])), r"example 'test/1': label -1"),
        (replace(GOOD, labels=np.array([0.0, 1.0, 1.0])), r"integers, not float64"),
        (replace(GOOD, labels=np.array([0, 1])), r"3 texts, 2 labels, 3 ids"),
        (replace(GOOD, groups=["x"]), r"1 groups"),
        (replace(GOOD, ids=["test/0", "test/0", "test/1"]), r"not unique"),
        (replace(GOOD, texts=["a", None, "c"]), r"example 'test/1': text is NoneType"),  # type: ignore[list-item]
        (make_split("test", []), r"'test' has no examples"),
    ],
)
def test_a_broken_split_is_named(broken: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_splits({"train": GOOD, "test": broken}, 2)  # type: ignore[dict-item]


def test_a_missing_split_is_named() -> None:
    with pytest.raises(DataError, match="no 'test' split"):
        check_splits({"train": GOOD}, 2)


def test_a_source_without_groups_is_said_to_have_none(caplog: pytest.LogCaptureFixture) -> None:
    train = RawSplit([f"text {row}" for row in range(20)], np.arange(20) % 2, [f"train/{row}" for row in range(20)])
    with caplog.at_level("WARNING", logger="swarmformer.data"):
        cut_validation(train, 0.1, 0)
    assert "validation is drawn from the training examples one by one" in caplog.text
    assert "data.task.group" in caplog.text, "and what to do where that is wrong"


@pytest.mark.parametrize("groups", [None, [f"film{row % 10}" for row in range(31)]])
def test_a_class_with_one_example_stays_in_training(groups: list[str] | None, caplog: pytest.LogCaptureFixture) -> None:
    train = make_split("train", [f"good {row}" for row in range(30)] + ["bad"], groups)
    train = replace(train, labels=np.array([0] * 30 + [1]))
    told = 0
    for seed in range(40):
        caplog.clear()
        with caplog.at_level("WARNING", logger="swarmformer.data"):
            rest, validation = cut_validation(train, 0.2, seed)
        assert set(rest.labels.tolist()) == {0, 1} and "bad" not in validation.texts
        assert sorted([*rest.ids, *validation.ids]) == sorted(train.ids)
        assert len(validation) == 6, "others are drawn in its place"
        if rest.groups is not None and validation.groups is not None:
            assert not set(rest.groups) & set(validation.groups)
        told += "kept in training, as without it, or its group, a class would have no example there" in caplog.text
        assert caplog.text.count("kept in training") == caplog.text.count(". Nothing needs to be done; more examples")
    assert 0 < told < 40, "where it was not drawn, nothing is said"


def test_a_draw_that_keeps_every_class_is_left_as_it_is() -> None:
    """Identities of data that was cut before do not say how: the cut of common data must never change."""
    train = make_split("train", [str(row) for row in range(200)])
    rows = np.random.default_rng(7).permutation(200)[:40]
    assert cut_validation(train, 0.2, 7)[1].ids == [f"train/{row}" for row in sorted(rows)]


def test_training_on_one_class_is_refused(toy: Toy) -> None:
    toy.splits["train"] = replace(toy.splits["train"], labels=np.ones(20, dtype=np.int64))
    with pytest.raises(DataError, match="all training examples are of one class"):
        load_splits(toy, validation_fraction=0.2, split_seed=0)


def test_text_that_no_file_can_hold_is_refused(toy: Toy) -> None:
    toy.splits["test"] = make_split("test", ["fine", "cut \ud83d"])
    with pytest.raises(DataError, match=r"split 'test', example 'test/1': no valid text: .*surrogates not allowed"):
        load_splits(toy, validation_fraction=0.2, split_seed=0)


def drawn_one_by_one(labels: np.ndarray, target: int, rng: np.random.Generator) -> list[int]:
    """In random order, each example that leaves another of its class behind, until there are enough."""
    left, chosen = np.bincount(labels), list[int]()
    for row in rng.permutation(len(labels)):
        if len(chosen) < target and left[labels[row]] > 1:
            left[labels[row]] -= 1
            chosen.append(int(row))
    return sorted(chosen)


@given(labels=st.lists(st.integers(0, 3), min_size=2, max_size=40), fraction=st.floats(0, 1), seed=st.integers(0, 99))
def test_drawing_singly_is_drawing_one_by_one(labels: list[int], fraction: float, seed: int) -> None:
    texts = [str(row) for row in range(len(labels))]
    split = RawSplit(texts, np.array(labels), texts)
    found = np.flatnonzero(drawn(split, fraction, np.random.default_rng(seed))).tolist()
    wanted = drawn_one_by_one(split.labels, round(fraction * len(labels)), np.random.default_rng(seed))
    assert found == wanted
    alone = np.flatnonzero(drawn(split, fraction, np.random.default_rng(seed), groups=np.arange(len(labels))))
    assert alone.tolist() == wanted


@given(
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=60),
    fraction=st.floats(0.01, 0.99),
    size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_stratified_shares_are_those_of_each_class(labels: list[int], fraction: float, size: int, seed: int) -> None:
    texts = [str(row) for row in range(len(labels))]
    split, counts = RawSplit(texts, np.array(labels), texts), np.bincount(labels, minlength=4)
    most = np.minimum(np.maximum(np.round(fraction * counts), counts > 1), np.maximum(counts - 1, 0))
    chosen = drawn(split, fraction, np.random.default_rng(seed), stratify=True)
    assert np.bincount(split.labels[chosen], minlength=4).tolist() == most.tolist()
    groups = np.arange(len(labels)) // size
    chosen = drawn(split, fraction, np.random.default_rng(seed), groups=groups, stratify=True)
    assert (np.bincount(split.labels[chosen], minlength=4) <= most).all()
    assert not set(groups[chosen]) & set(groups[~chosen])


def test_one_long_group_name_takes_no_memory_for_all() -> None:
    """In an array each name would be as wide as the longest."""
    names = [f"g{row % 7}" for row in range(20_000)] + ["x" * 2_000]
    tracemalloc.start()
    found = numbered(names)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    assert found.tolist() == [*(row % 7 for row in range(20_000)), 7]
