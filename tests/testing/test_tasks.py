"""Tasks with one fault each are caught."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.errors import DataError
from swarmformer.testing import Status, check_component

WORDS = ("[PAD]", "a", "b")


class Parity(Task):
    """Whether a text has an odd number of b."""

    num_classes = 2
    vocabulary = WORDS
    test_options = ({"count": 6},)

    def __init__(self, *, count: int = 10_000) -> None:
        self.count = count

    def identity(self) -> dict[str, Any]:
        return {"count": self.count}

    def load(self) -> dict[str, RawSplit]:
        return {name: self.split(name) for name in ("train", "test")}

    def split(self, name: str) -> RawSplit:
        texts = [" ".join(["a", "b"] * row or ["a"]) for row in range(self.count)]
        return RawSplit(texts, np.arange(self.count) % 2, [f"{name}/{row}" for row in range(self.count)])

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        return {"ones": lambda split: np.ones(len(split), dtype=np.int64)}


class Forgetful(Parity):
    """Its identity changes."""

    def identity(self) -> dict[str, Any]:
        return {"at": random.random()}


class Unwritable(Parity):
    """Its identity is no JSON."""

    def identity(self) -> dict[str, Any]:
        return {"count": (self.count,)}


class OneClass(Parity):
    """Says that there is one class."""

    num_classes = 1


class Overlapping(Parity):
    """Train and test share their ids."""

    def split(self, name: str) -> RawSplit:
        return super().split("all")


class BeyondItsClasses(Parity):
    """Has a label too many."""

    def split(self, name: str) -> RawSplit:
        plain = super().split(name)
        return RawSplit(plain.texts, plain.labels * 2, plain.ids)


class UnknownWords(Parity):
    """Its vocabulary lacks a word."""

    vocabulary = WORDS[:2]


class Shuffled(Parity):
    """Loads in another order each time."""

    def split(self, name: str) -> RawSplit:
        plain = super().split(name)
        self.__class__.turn = getattr(self.__class__, "turn", 0) + 1
        return plain.take(np.roll(np.arange(self.count), self.__class__.turn))

    turn = 0


class Noisy(Parity):
    """Its identity lacks what changes the labels."""

    def __init__(self, *, count: int = 10_000, noise: float = 0.0, title: int = 0) -> None:
        super().__init__(count=count)
        self.noise = noise

    OUTSIDE_KEY = frozenset({"title"})

    def split(self, name: str) -> RawSplit:
        plain = super().split(name)
        wrong = np.random.default_rng(0).random(self.count) < self.noise
        return RawSplit(plain.texts, np.where(wrong, 1 - plain.labels, plain.labels), plain.ids)


class NoisyAndSaysSo(Noisy):
    """Its identity has it; the title changes no example."""

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "noise": self.noise}


class WithoutTest(Parity):
    """Has no test split."""

    def load(self) -> dict[str, RawSplit]:
        return {"train": self.split("train")}


class AnswersTooMuch(Parity):
    """Its predictor gives an answer more than it is asked for."""

    def trivial_predictors(self, train: RawSplit) -> dict[str, Predictor]:
        return {"ones": lambda split: np.ones(len(split) + 1, dtype=np.int64)}


class AsksAtTokens(Parity):
    """Says that it asks at tokens, but asks once per text."""

    per_token = True


class Absent(Parity):
    """Its data is not on this machine."""

    def load(self) -> dict[str, RawSplit]:
        raise DataError("put it into the folder")


def test_a_sound_task_passes_and_only_its_small_sizes_are_loaded() -> None:
    report = check_component(Parity)
    assert report.ok, report
    skipped = [outcome for outcome in report.of(Status.NOT_APPLICABLE) if not outcome.options]
    assert {outcome.check for outcome in skipped} == {
        "splits_hold_what_is_declared", "loading_again_gives_the_same", "predictors_answer_every_question",
        "identity_follows_every_option",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        (Forgetful, "identity_is_json_and_stable"),
        (Unwritable, "identity_is_json_and_stable"),
        (OneClass, "classes_and_vocabulary_are_declared"),
        (Overlapping, "splits_hold_what_is_declared"),
        (BeyondItsClasses, "splits_hold_what_is_declared"),
        (UnknownWords, "splits_hold_what_is_declared"),
        (AsksAtTokens, "splits_hold_what_is_declared"),
        (Shuffled, "loading_again_gives_the_same"),
        (Noisy, "identity_follows_every_option"),
        (WithoutTest, "splits_hold_what_is_declared"),
        (AnswersTooMuch, "predictors_answer_every_question"),
    ],
)
def test_a_fault_is_caught_by_the_right_check(cls: type, check: str) -> None:
    failed = {outcome.check for outcome in check_component(cls).of(Status.FAILED)}
    seen_too = {OneClass: {"splits_hold_what_is_declared", "predictors_answer_every_question"}}
    seen_too[WithoutTest] = {"predictors_answer_every_question"}
    assert check in failed
    assert failed <= {check} | seen_too.get(cls, set())


def test_an_option_that_is_in_the_identity_or_changes_no_example_passes() -> None:
    assert check_component(NoisyAndSaysSo).ok
    report = check_component(Noisy, options={"count": 6})
    assert [outcome.detail for outcome in report.of(Status.FAILED)] == [
        "noise: 0.25 makes other examples, but the identity stays as it was: it must have the option"
    ]


def test_missing_data_does_not_apply_and_says_what_to_do() -> None:
    report = check_component(Absent, options={"count": 6})
    assert report.ok
    absent = {outcome.detail for outcome in report.of(Status.NOT_APPLICABLE)}
    assert absent == {"its data is missing: put it into the folder"}
