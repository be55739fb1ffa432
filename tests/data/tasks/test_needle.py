"""The needle: what a text is made of, by a reading of its words; what is trivial and what is known; what is refused."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

from swarmformer.data.task import RawSplit
from swarmformer.data.tasks.needle import Needle
from swarmformer.errors import DataError, SpecError

SMALL: dict[str, Any] = {"length": 40, "num_train": 30, "num_validation": 20, "num_test": 1500}


def answers(text: str) -> dict[int, str]:
    """Position of a question → the value that stood behind its key: read word by word."""
    words = text.split(" ")
    said = {one: other for one, other in pairwise(words) if one[0] == "k" and other[0] == "v"}
    return {place: said[words[place]] for place in range(1, len(words)) if words[place - 1] == "?"}


def test_every_question_has_its_answer_far_before_it() -> None:
    split = Needle(**SMALL).load()["test"]
    assert split.questions is not None
    labels, asked = iter(split.labels), []
    for row, text in enumerate(split.texts):
        words, places = text.split(" "), answers(text)
        assert len(words) == 40 and words[32::2] == ["?"] * 4 and Counter(word[0] for word in words)["k"] == 8
        assert len({words[place] for place in places}) == 4, "keys are distinct"
        assert [f"v{next(labels)}" for _ in places] == list(places.values())
        asked += [(row, place) for place in places]
    assert asked == list(zip(split.questions.text.tolist(), split.questions.positions.tolist(), strict=True))


def test_pairs_stand_anywhere_and_questions_in_any_order() -> None:
    texts = Needle(**SMALL).load()["test"].texts
    keys = [[place for place, word in enumerate(text.split(" ")[:32]) if word[0] == "k"] for text in texts]
    counts = np.bincount(np.ravel(keys), minlength=31)
    assert len(counts) == 31 and counts.min() > 0.7 * counts.mean() and counts.max() < 1.4 * counts.mean()
    first = [text.split(" ").index(text.split(" ")[33]) for text in texts]
    rank = np.array([sorted(row).index(place) for row, place in zip(keys, first, strict=True)])
    assert (np.bincount(rank, minlength=4) > 0.2 * len(texts)).all()


def accuracy(predict: Any, split: RawSplit) -> float:
    return float((predict(split.without_labels()) == split.labels).mean())


def test_a_value_is_right_once_in_a_while_and_a_look_up_always() -> None:
    task = Needle(**SMALL)
    splits = task.load()
    by_chance = 1 / 4 + 3 / 4 / 16
    drawn = product(range(16), repeat=4)  # the values of a text: all are equally likely
    most_frequent = sum(max(Counter(values).values()) for values in drawn) / 4 / 16**4
    assert most_frequent == pytest.approx(0.337, abs=5e-4)
    predictors = task.trivial_predictors(splits["train"])
    assert list(predictors)[2:] == ["the most frequent value of the text"]
    for predict, share in zip(predictors.values(), (by_chance, by_chance, most_frequent), strict=True):
        assert accuracy(predict, splits["test"]) == pytest.approx(share, abs=0.03)
    said = predictors["the most frequent value of the text"](splits["test"].without_labels()).reshape(-1, 4)
    for text, answers_given in zip(splits["test"].texts, said.tolist(), strict=True):
        times = Counter(int(word[1:]) for word in text.split(" ") if word[0] == "v")
        assert len(set(answers_given)) == 1 and times[answers_given[0]] == max(times.values())
    (look_up,) = task.oracles(splits["train"]).values()
    assert accuracy(look_up, splits["test"]) == 1.0


def test_test_does_not_depend_on_how_much_is_trained_on() -> None:
    one, other = Needle(**SMALL).load(), Needle(**{**SMALL, "num_train": 7}).load()
    assert one["test"].texts == other["test"].texts and one["validation"].texts == other["validation"].texts
    assert Needle(**SMALL, seed=1).load()["test"].texts != one["test"].texts


def test_every_option_that_changes_examples_changes_the_identity() -> None:
    changed = ("length", "pairs", "keys", "values", "fillers", "num_train", "num_validation", "num_test", "seed")
    found = [
        repr(Needle(**options).identity()) for options in ({}, *({name: 7} for name in changed if name != "length"))
    ]
    found.append(repr(Needle(length=512).identity()))
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": 15}, "need 16 tokens, length is 15"),
        ({"keys": 3}, "keys must be at least 4"),
        ({"pairs": 0}, "pairs must be at least 1"),
        ({"values": 1}, "values must be at least 2"),
        ({"fillers": 0}, "fillers must be at least 1"),
        ({"num_test": 0}, "num_test must be at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=f"task needle: .*{words}"):
        Needle(**options)


def test_texts_that_occur_twice_are_refused() -> None:
    with pytest.raises(DataError, match=r"texts occurred before: raise length"):
        Needle(length=4, pairs=1, keys=1, values=2, fillers=1, num_train=50).load()


@pytest.mark.slow
def test_sixteen_thousand_tokens() -> None:
    task = Needle(length=16_384, num_train=20, num_validation=5, num_test=20)
    splits = task.load()
    assert {len(text.split(" ")) for text in splits["test"].texts} == {16_384}
    assert accuracy(*task.oracles(splits["train"]).values(), splits["test"]) == 1.0
