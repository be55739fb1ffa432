from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from scipy import stats

from swarmformer.data.predictors import compute_predictors
from swarmformer.data.split import load_splits
from swarmformer.data.task import RawSplit
from swarmformer.data.tasks.streams import Streams
from swarmformer.errors import DataError, SpecError

SMALL: dict[str, Any] = {"num_train": 300, "num_validation": 40, "num_test": 50}
MANY = Streams(num_train=10, num_validation=10, num_test=20_000)


@dataclass
class Plain:
    """A text read token by token: the stream asked for, its runs, and each stream's values."""

    asked: int
    runs: list[tuple[int, list[int]]] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Plain:
        first, *rest = text.split(" ")
        found = cls(int(first.removeprefix("ask")))
        for token in rest:
            if token.startswith("stream"):
                found.runs.append((int(token.removeprefix("stream")), []))
            else:
                found.runs[-1][1].append(int(token))
        return found

    def values(self, stream: int) -> list[int]:
        return [value for other, values in self.runs if other == stream for value in values]


@dataclass(frozen=True)
class Many:
    """Texts enough for statistics, as they are read, and the values of the stream that each asks for."""

    split: RawSplit
    plain: list[Plain]
    own: list[list[int]]


@pytest.fixture(scope="module")
def many() -> Many:
    split = MANY.load()["test"]
    plain = [Plain.of(text) for text in split.texts]
    return Many(split, plain, [text.values(text.asked) for text in plain])


def within(found: float, expected: float, n: int) -> bool:
    """Four standard errors of a share."""
    return abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def accuracy(task: Streams, split: RawSplit) -> dict[str, float]:
    predictors = {**task.trivial_predictors(split), **task.oracles(split)}
    hidden = split.without_labels()
    return {name: float((predict(hidden) == split.labels).mean()) for name, predict in predictors.items()}


@pytest.mark.parametrize("options", [{}, {"length": 37, "streams": 2}, {"length": 9}], ids=str)
def test_every_text_by_plain_reading(options: dict[str, Any]) -> None:
    task = Streams(**options, num_train=200, num_validation=20, num_test=20)
    splits = load_splits(task, validation_fraction=0.1, split_seed=0)
    for split in splits.values():
        for text in split.texts:
            assert len(text.split(" ")) == options.get("length", 128)
            plain = Plain.of(text)
            *whole, last = plain.runs
            assert all(2 <= len(values) <= 11 for _, values in whole) and len(last[1]) <= 11
            assert all(a != b for (a, _), (b, _) in zip(plain.runs, plain.runs[1:], strict=False))
            assert {stream for stream, _ in plain.runs} <= set(range(options.get("streams", 4)))
            assert plain.values(plain.asked), "a stream without values is not asked for"
            assert set(text.split(" ")) <= set(task.vocabulary[1:])


def test_runs_markers_questions_and_classes_are_uniform(many: Many) -> None:
    lengths = Counter(len(values) for plain in many.plain for _, values in plain.runs[:8])
    assert set(lengths) == set(range(2, 12))
    assert stats.chisquare(list(lengths.values())).pvalue > 1e-3
    pairs = [pair for plain in many.plain for pair in zip(plain.runs[:5], plain.runs[1:6], strict=True)]
    steps = Counter((b - a) % 4 for (a, _), (b, _) in pairs)
    assert stats.chisquare([steps[step] for step in (1, 2, 3)]).pvalue > 1e-3 and not steps[0]
    for counts in (Counter(plain.asked for plain in many.plain), Counter(plain.runs[0][0] for plain in many.plain)):
        assert stats.chisquare([counts[stream] for stream in range(4)]).pvalue > 1e-3
    assert stats.chisquare(np.bincount(many.split.labels, minlength=10)).pvalue > 1e-3


def test_a_value_is_its_class_with_probability_0_46_and_else_uniform(many: Many) -> None:
    """0.4 by design, and 0.6 / 10 by chance; the nine others share the rest evenly."""
    labels = many.split.labels.tolist()
    shifts = Counter((value - label) % 10 for values, label in zip(many.own, labels, strict=True) for value in values)
    total = sum(shifts.values())
    expected = np.array([0.46] + [0.06] * 9) * total
    assert stats.chisquare([shifts[shift] for shift in range(10)], expected).pvalue > 1e-3
    others = [(plain.values((plain.asked + 1) % 4), label) for plain, label in zip(many.plain, labels, strict=True)]
    first = Counter((values[0] - label) % 10 for values, label in others if values)
    assert stats.chisquare([first[shift] for shift in range(10)]).pvalue > 1e-3, "other streams tell nothing"


def chance_that_the_mode_is_right(count: int, rng: np.random.Generator) -> float:
    """Of ``count`` values with the law above; a tie of m values is right once in m."""
    drawn = rng.multinomial(count, [0.46] + [0.06] * 9, size=20_000)
    top = drawn == drawn.max(axis=1, keepdims=True)
    return float((top[:, 0] / top.sum(axis=1)).mean())


def test_baselines_and_oracle_are_where_probability_puts_them(many: Many) -> None:
    """Each expectation is over the structure that was drawn; the shares are over the values and classes."""
    n = len(many.plain)
    found = accuracy(MANY, many.split)
    assert within(found["first value of the stream"], 0.46, n)
    same = np.mean([next(stream for stream, values in reversed(p.runs) if values) == p.asked for p in many.plain])
    assert within(found["last value of the text"], 0.46 * same + 0.1 * (1 - same), n)
    rng = np.random.default_rng(3)
    chances = {count: chance_that_the_mode_is_right(count, rng) for count in {len(values) for values in many.own}}
    expected = float(np.mean([chances[len(values)] for values in many.own]))
    assert within(found["oracle: most frequent value of the stream"], expected, n)
    assert 0.97 < expected < 1.0
    assert found["last value of the text"] < found["most frequent value of the text"] < 0.46


def test_predictors_by_plain_counting(many: Many) -> None:
    hidden = many.split.take(np.arange(500)).without_labels()
    predictors = {**MANY.trivial_predictors(many.split), **MANY.oracles(many.split)}
    last, frequent, first, oracle = (predict(hidden).tolist() for predict in predictors.values())
    for row, plain in enumerate(many.plain[:500]):
        everything = [value for _, values in plain.runs for value in values]
        assert last[row] == everything[-1] and first[row] == many.own[row][0]
        for values, answer in ((everything, frequent[row]), (many.own[row], oracle[row])):
            assert answer == min(range(10), key=lambda value: (-values.count(value), value))


@pytest.mark.parametrize(("signal", "expected"), [(0.0, 0.1), (1.0, 1.0)])
def test_without_signal_nothing_helps_and_with_all_of_it_one_value_is_enough(signal: float, expected: float) -> None:
    task = Streams(signal=signal, num_train=10, num_test=5000)
    found = accuracy(task, task.load()["test"])
    for name in ("first value of the stream", "oracle: most frequent value of the stream"):
        assert found[name] == expected or within(found[name], expected, 5000)


def test_rows_of_the_baselines_tell_oracles_apart() -> None:
    task = Streams(num_train=2000, num_validation=200, num_test=1000, length=48)
    rows = compute_predictors(task, validation_fraction=0.1, split_seed=0)
    kinds = {row["name"]: row["kind"] for row in rows}
    assert [name for name, kind in kinds.items() if kind == "oracle"] == [rows[-1]["name"]]
    assert rows[-1]["name"].startswith("oracle")
    accuracies = {row["name"]: row["accuracy"] for row in rows}
    assert within(accuracies["majority class"], 0.1, 1000)
    assert max(accuracies.values()) == rows[-1]["accuracy"]


def test_splits_do_not_depend_on_each_others_sizes() -> None:
    small, large = Streams(**SMALL).load(), Streams(**{**SMALL, "num_train": 600}).load()
    assert small["test"].texts == large["test"].texts and small["validation"].texts == large["validation"].texts
    assert not set(small["test"].texts) & set(small["train"].texts)
    assert Streams(**SMALL, seed=1).load()["test"].texts != small["test"].texts


def test_every_option_that_changes_examples_changes_the_identity() -> None:
    options: list[dict[str, Any]] = [
        {}, {"length": 64}, {"streams": 3}, {"signal": 0.5}, {"num_train": 7}, {"num_validation": 7}, {"num_test": 7},
        {"seed": 1},
    ]  # fmt: skip
    assert len({repr(Streams(**option).identity()) for option in options}) == len(options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"streams": 1}, "streams must be at least 2"),
        ({"length": 3}, "length must be at least 4"),
        ({"num_train": 0}, "num_train must be at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(SpecError, match=f"task streams: {words}"):
        Streams(**options)  # type: ignore[arg-type]


def test_texts_that_occur_twice_are_refused() -> None:
    with pytest.raises(DataError, match="texts occurred before: raise length"):
        Streams(length=4).load()
