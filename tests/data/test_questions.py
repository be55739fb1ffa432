"""Tasks that ask at tokens: from raw positions to the rows of a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmformer.data.batching import Batches
from swarmformer.data.encoded import Split
from swarmformer.data.encoding import load_encoded
from swarmformer.data.predictors import compute_predictors, left_out
from swarmformer.data.questions import Questions
from swarmformer.data.split import check_splits, load_splits
from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError
from tests.data.toy_tasks import Toy

WORDS = ("[PAD]", *(f"w{number}" for number in range(1, 9)))
SETTINGS: dict[str, Any] = {"tokenizer": "not used", "seq_len": 6, "validation_fraction": 0.3, "split_seed": 0}

asked = st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=6, unique=True).map(sorted), min_size=1, max_size=30)


def token_split(name: str, count: int, longest: int = 6) -> RawSplit:
    """Texts of random words; every other word is asked about, its label is the word's number mod 2."""
    rng = np.random.default_rng(count)
    rows = [rng.integers(1, 9, rng.integers(2, longest + 1)) for _ in range(count)]
    positions = [np.arange(row % 2, len(words), 2) for row, words in enumerate(rows)]
    labels = np.concatenate([words[at] % 2 for words, at in zip(rows, positions, strict=True)])
    texts = [" ".join(WORDS[word] for word in words) for words in rows]
    return RawSplit(texts, labels, [f"{name}/{i}" for i in range(count)], questions=Questions.from_rows(positions))


class TokenToy(Toy):
    per_token = True
    vocabulary = WORDS

    def __init__(self) -> None:
        super().__init__()
        self.splits = {"train": token_split("train", 20), "test": token_split("test", 7)}


@settings(deadline=None, max_examples=60)
@given(asked, st.randoms(use_true_random=False))
def test_questions_of_some_texts_by_plain_lists(positions: list[list[int]], random: Any) -> None:
    questions = Questions.from_rows(positions)
    flat = [(text, position) for text, row in enumerate(positions) for position in row]
    assert list(zip(questions.text.tolist(), questions.positions.tolist(), strict=True)) == flat
    rows = random.sample(range(len(positions)), random.randint(0, len(positions)))
    index, place = questions.of(np.array(rows, dtype=np.int64))
    assert [flat[i] for i in index] == [(row, position) for row in rows for position in positions[row]]
    assert [rows[p] for p in place] == [flat[i][0] for i in index]
    taken = questions.take(np.array(rows, dtype=np.int64))
    parts = [taken.positions[a:b].tolist() for a, b in zip(taken.offsets, taken.offsets[1:], strict=False)]
    assert parts == [positions[row] for row in rows]


@settings(deadline=None, max_examples=40)
@given(asked, st.integers(1, 5), st.none() | st.integers(0, 9))
def test_every_answer_is_gathered_once_from_its_own_token(
    positions: list[list[int]], batch_size: int, seed: int | None
) -> None:
    """Text i holds 100 i, 100 i + 1, …, so that a token says where it stands; logits repeat the ids."""
    lengths = [row[-1] + 1 for row in positions]
    ids = np.concatenate([100 * text + np.arange(length) for text, length in enumerate(lengths)]).astype(np.int32)
    expected = np.array([100 * text + position for text, row in enumerate(positions) for position in row])
    names = np.array([f"x/{text}" for text in range(len(positions))])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    split = Split(ids, offsets, expected % 7, names, 0, Questions.from_rows(positions))
    seen = []
    for batch in Batches(split, batch_size=batch_size, lengths=(8, 20), pad_id=9999, seed=seed)():
        found = batch.answers(torch.stack([batch.ids_BN, -batch.ids_BN], -1))
        assert found.tolist() == [[token, -token] for token in expected[batch.index_M.numpy()]]
        assert batch.labels_M.tolist() == (expected[batch.index_M.numpy()] % 7).tolist()
        seen += batch.index_M.tolist()
    assert sorted(seen) == list(range(len(expected)))
    told = [f"x/{token // 100}@{token % 100}" for token in expected]
    assert split.answer_names.tolist() == told


def test_encoded_questions_come_back_from_the_cache(cache: Path) -> None:
    task = TokenToy()
    raw = load_splits(task, validation_fraction=0.3, split_seed=0)
    for _ in range(2):
        data = load_encoded(task, **SETTINGS)
        for name, split in data.splits.items():
            assert split.questions is not None and raw[name].questions is not None
            assert len(split) == len(raw[name]) < len(split.labels)
            place = split.offsets[split.questions.text] + split.questions.positions
            assert (split.ids[place] % 2 == split.labels).all()
            assert np.array_equal(split.labels, raw[name].labels)
    assert task.loads == 2, "one of them is this test's own"
    assert data.splits["test"].answer_names[0] == "test/0@0"


def test_the_cut_of_a_validation_split_keeps_questions_with_their_texts() -> None:
    splits = load_splits(TokenToy(), validation_fraction=0.3, split_seed=1)
    assert set(splits) == {"train", "validation", "test"}
    for split in splits.values():
        assert split.questions is not None and len(split.labels)
        words = [text.split() for text in split.texts]
        asked_at = zip(split.questions.text, split.questions.positions, strict=True)
        found = [WORDS.index(words[text][position]) % 2 for text, position in asked_at]
        assert found == split.labels.tolist()


def test_a_question_that_would_be_cut_off_is_an_error(cache: Path) -> None:
    task = TokenToy()
    task.splits["test"] = token_split("test", 9, longest=8)
    with pytest.raises(DataError, match=r"'test/\d' is asked at position [67] of 6 tokens .*raise model.dims.seq_len"):
        load_encoded(task, **SETTINGS)
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_positions_without_an_own_vocabulary_have_no_meaning(cache: Path, vocabulary: Path) -> None:
    task = TokenToy()
    task.vocabulary = None
    with pytest.raises(DataError, match="must have its own vocabulary"):
        load_encoded(task, **{**SETTINGS, "tokenizer": "bert"})


GOOD = token_split("test", 4)


def asking(*rows: list[int]) -> Questions:
    return Questions.from_rows(rows)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"questions": None}, "has no questions, but the task's per_token is True"),
        ({"questions": asking([0], [1]), "labels": np.zeros(2, int)}, "4 texts, 2 texts with questions"),
        ({"labels": np.zeros(3, int)}, "questions, 3 labels"),
        ({"questions": asking([0], [], [1], [0]), "labels": np.zeros(3, int)}, "'test/1': needs positions"),
        ({"questions": asking([0], [1], [1, 0], [0]), "labels": np.zeros(5, int)}, "'test/2': needs positions"),
        ({"questions": asking([0], [1], [1], [-1]), "labels": np.zeros(4, int)}, "'test/3': needs positions"),
        ({"questions": asking([0, 1], [1], [1], [0]), "labels": np.array([0, 0, 2, 0, 0])}, "'test/1': label 2"),
    ],
)
def test_broken_questions_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_splits({"train": GOOD, "test": replace(GOOD, **changes)}, 2, per_token=True)


def test_questions_nobody_announced_are_refused() -> None:
    with pytest.raises(DataError, match="has questions, but the task's per_token is False"):
        check_splits({"train": GOOD, "test": GOOD}, 2)


def test_baselines_count_answers_and_say_what_they_leave_out() -> None:
    task = TokenToy()
    (row,) = compute_predictors(task, validation_fraction=0.3, split_seed=0)
    labels = task.splits["test"].labels
    assert (row["name"], row["n"]) == ("majority class", len(labels))
    assert row["accuracy"] in (labels.mean(), 1 - labels.mean())
    assert list(left_out(task)) == ["NB-SVM"] and left_out(Toy()) == {}
