"""What is kept of texts that are too long: by slices, by the tokenizer's own truncation, and for whoever reads text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmformer.data.cut import Cut, cut_split
from swarmformer.data.encode import encode_text
from swarmformer.data.encoding import load_encoded
from swarmformer.data.predictors import compute_predictors
from swarmformer.data.tokenizer import load_tokenizer
from swarmformer.errors import DataError, SpecError
from swarmformer.rehearsal import rehearse
from swarmformer.run_key import content_of
from swarmformer.spec import DataSpec
from swarmformer.variants import resolve_run
from tests.data.test_questions import TokenToy
from tests.data.toy_tasks import Toy, make_split

SETTINGS: dict[str, Any] = {"tokenizer": "bert", "validation_fraction": 0.2, "split_seed": 0}
WORDS = ("good", "bad", "film", "a", ".")


def long_texts(count: int = 30, longest: int = 30) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, size=1 + row % longest)) for row in range(count)]


@given(st.integers(0, 60), st.integers(3, 30), st.floats(0, 1))
def test_head_tail_is_a_slice_of_either_end(length: int, seq_len: int, share: float) -> None:
    tokens = list(range(length + 2))  # 0 and the last are special
    kept = Cut(seq_len, "head_tail", share).row(tokens, "x", 1, 1).tolist()
    if length + 2 <= seq_len:
        assert kept == tokens
        return
    room = seq_len - 2
    head = round(share * room)
    tail = tokens[1:-1][-(room - head) :] if room > head else []
    assert kept == [0, *tokens[1:-1][:head], *tail, length + 1]


def test_a_quarter_is_what_the_source_found_best() -> None:
    """Sun et al. 2019: of 512 tokens, two of them special, the first 128 and the last 382."""
    assert Cut(512, "head_tail").spans(1000, 510, "x") == [(0, 128), (618, 1000)]


def test_random_windows_are_of_the_text_and_fixed_by_its_name() -> None:
    cut = Cut(10, "random")
    starts = [cut.spans(50, 10, f"train/{row}")[0][0] for row in range(400)]
    assert all(end - start == 10 for row in range(50) for start, end in cut.spans(50, 10, f"train/{row}"))
    assert starts == [cut.spans(50, 10, f"train/{row}")[0][0] for row in range(400)]
    assert (min(starts), max(starts)) == (0, 40) and np.mean(starts) == pytest.approx(20, abs=2)


def test_the_head_is_what_the_tokenizer_itself_would_keep(vocabulary: Path) -> None:
    texts = long_texts()
    names = [str(row) for row in range(len(texts))]
    tokens = encode_text(texts, load_tokenizer("bert"), Cut(9), names)
    other = load_tokenizer("bert")
    other.enable_truncation(9)
    expected = [encoding.ids for encoding in other.encode_batch(texts)]
    assert np.array_equal(tokens.ids, np.concatenate(expected))
    assert tokens.truncated == sum(len(text.split()) > 7 for text in texts)


@pytest.mark.parametrize("cut", [Cut(9), Cut(9, "head_tail", 0.5), Cut(9, "head_tail"), Cut(9, "random")], ids=str)
def test_readers_of_text_see_what_the_models_see(toy: Toy, vocabulary: Path, cut: Cut) -> None:
    """Encoded again, the text that a baseline is fitted on gives the ids that the models are trained on."""
    split, tokenizer = make_split("train", long_texts()), load_tokenizer("bert")
    seen = cut_split(split, cut, toy, "bert")
    ours = encode_text(split.texts, tokenizer, cut, split.ids)
    again = encode_text(seen.texts, tokenizer, Cut(1000), split.ids)
    assert np.array_equal(ours.ids, again.ids) and again.truncated == 0
    short = [row for row, text in enumerate(split.texts) if len(text.split()) <= 7]
    assert [seen.texts[row] for row in short] == [split.texts[row] for row in short]


def test_capitals_and_accents_of_the_text_are_kept(toy: Toy, vocabulary: Path) -> None:
    split = make_split("train", ["A GOOD Film. " * 5 + "bàd"])
    assert list(cut_split(split, Cut(8, "head_tail", 0.5), toy, "bert").texts) == ["A GOOD Film Film. bàd"]


def test_texts_of_an_own_vocabulary_are_cut_alike(toy: Toy, cache: Path) -> None:
    toy.vocabulary = ("[PAD]", *WORDS)
    toy.splits = {name: make_split(name, long_texts()) for name in ("train", "test")}
    cut = Cut(6, "head_tail", 0.5)
    data = load_encoded(toy, **SETTINGS, seq_len=6, cut="head_tail", cut_share=0.5)
    seen = cut_split(toy.splits["test"], cut, toy, "not used")
    for row, text in enumerate(seen.texts):
        words = [toy.vocabulary[token] for token in data.splits["test"].example(row)]
        assert text.split() == words
        whole = toy.splits["test"].texts[row].split()
        assert words == (whole if len(whole) <= 6 else whole[:3] + whole[-3:])


def test_every_cut_is_data_of_its_own(toy: Toy, cache: Path, vocabulary: Path) -> None:
    cuts: list[dict[str, Any]] = [{}, {"cut": "head_tail"}, {"cut": "head_tail", "cut_share": 0.5}, {"cut": "random"}]
    keys = [load_encoded(toy, **SETTINGS, seq_len=6, **cut).key for cut in cuts]
    assert len(set(keys)) == 4
    assert load_encoded(toy, **SETTINGS, seq_len=6, cut="head", cut_share=0.9).key == keys[0], "it has no effect there"


def test_run_keys_know_the_cut_and_not_a_share_that_has_no_effect() -> None:
    def content(**data: Any) -> Any:
        return content_of(DataSpec.from_dict({"task": {"name": "listops", "size": "lite"}, **data}))

    assert content() == content(cut="head") == content(cut_share=0.5)
    assert content(cut="random") == content(cut="random", cut_share=0.5) != content()
    assert content(cut="head_tail") != content(cut="head_tail", cut_share=0.5)


def test_a_task_that_asks_at_tokens_refuses_it(cache: Path) -> None:
    with pytest.raises(DataError, match=r"asks at places counted from the front: set data\.cut: head"):
        load_encoded(TokenToy(), **SETTINGS, seq_len=6, cut="random")
    patch = {"data": {"task": "mqar", "cut": "head_tail"}, "model": {"pooling": "tokens"}}
    with pytest.raises(SpecError, match=r"'mqar' asks at places counted from the front"):
        rehearse(resolve_run("base", [(patch, "test")]))


def test_bags_of_words_are_fitted_on_what_the_models_see_too(toy: Toy, vocabulary: Path) -> None:
    """The last word alone tells the label: the head knows nothing of it, both ends do."""
    for name, count in (("train", 200), ("test", 200)):
        rng = np.random.default_rng(count)
        fill = [" ".join(rng.choice(["film", "a"], size=12)) for _ in range(count)]
        toy.splits[name] = make_split(name, [f"{t} {'bad' if row % 2 else 'good'}" for row, t in enumerate(fill)])

    def accuracies(cut: Cut) -> dict[str, float]:
        rows = compute_predictors(toy, validation_fraction=0.2, split_seed=0, cut=cut, tokenizer="bert")
        return {row["name"]: row["accuracy"] for row in rows}

    head, both, whole = accuracies(Cut(8)), accuracies(Cut(8, "head_tail")), accuracies(Cut(100))
    assert head["NB-SVM, unigrams"] == whole["NB-SVM, unigrams"] == both["NB-SVM, unigrams"] == 1.0
    assert head["NB-SVM, unigrams, cut to 8 tokens"] < 0.65
    assert both["NB-SVM, unigrams, cut to 8 tokens, head_tail"] == 1.0
    assert len(head) == 5 and len(whole) == 3, "no second row where nothing is cut"
