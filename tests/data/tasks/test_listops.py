from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from swarmformer.data.files import json_hash
from swarmformer.data.split import check_splits
from swarmformer.data.tasks.listops import ListOps
from swarmformer.data.tasks.listops_grammar import VOCABULARY, evaluate, literal_children, sample
from swarmformer.errors import DataError, SpecError

SMALL: dict[str, Any] = {"num_train": 300, "num_validation": 40, "num_test": 50}


def nested(tokens: list[str]) -> Any:
    """Parse by recursive descent; the list is used up."""
    token = tokens.pop(0)
    if not token.startswith("["):
        return int(token)
    children = []
    while tokens[0] != "]":
        children.append(nested(tokens))
    tokens.pop(0)
    return token[1:], children


def value(tree: Any) -> int:
    """Evaluate top down, with the standard library's own functions."""
    if isinstance(tree, int):
        return tree
    name, children = tree
    functions: dict[str, Any] = {
        "MIN": min,
        "MAX": max,
        "MED": lambda values: int(statistics.median(values)),
        "SM": lambda values: sum(values) % 10,
    }
    return functions[name]([value(child) for child in children])


def depth(tree: Any) -> int:
    return 1 if isinstance(tree, int) else 1 + max(depth(child) for child in tree[1])


def operators(tree: Any) -> list[tuple[str, int]]:
    """Name and number of children of every operator."""
    if isinstance(tree, int):
        return []
    return [(tree[0], len(tree[1])), *(found for child in tree[1] for found in operators(child))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[MAX 2 9 [MIN 4 7 ] 0 ]", 9),
        ("[MED 1 4 ]", 2),
        ("[MED 9 0 [SM 9 9 9 ] ]", 7),
        ("[SM 5 [MAX 3 8 ] [MIN 6 [MED 1 2 3 4 ] ] ]", 5),
        ("[MIN [MAX 1 2 ] [SM 6 7 ] ]", 2),
        ("4", 4),
    ],
)
def test_values_worked_by_hand(text: str, expected: int) -> None:
    assert evaluate(text.split()) == expected == value(nested(text.split()))


@pytest.mark.parametrize("text", ["", "1 2", "[MAX 1", "]", "[MAX ]", "[AVG 1 2 ]", "[MAX 1 2 ] ]"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"complete|misplaced"):
        evaluate(text.split())


def test_literal_children_are_those_of_the_root() -> None:
    tokens = ["[MAX", "2", "[MIN", "4", "[SM", "1", "1", "]", "7", "]", "0", "[MED", "3", "3", "]", "]"]
    assert literal_children(tokens) == [2, 0]


@pytest.mark.parametrize("size", ["lite", "full"])
def test_labels_lengths_and_depths(size: str) -> None:
    task = ListOps(size=size, **SMALL)  # type: ignore[arg-type]
    splits = task.load()
    check_splits(splits, 10)
    low, high, levels = {"lite": (32, 256, 5), "full": (501, 1999, 10)}[size]
    assert {name: len(split) for name, split in splits.items()} == {"train": 300, "validation": 40, "test": 50}
    for split in splits.values():
        for text, label in zip(split.texts, split.labels, strict=True):
            tokens = text.split(" ")
            assert low <= len(tokens) <= high
            assert set(tokens) <= set(VOCABULARY[1:])
            tree = nested(list(tokens))
            assert label == value(tree) == evaluate(tokens)
            assert depth(tree) <= levels


def test_the_grammar_has_the_published_probabilities() -> None:
    rng = random.Random(0)
    drawn = [sample(rng, 4, 10_000) for _ in range(40_000)]
    trees = [nested(list(expression[0])) for expression in drawn if expression is not None]
    assert len(trees) == 40_000
    share = sum(isinstance(tree, tuple) for tree in trees) / len(trees)
    assert share == pytest.approx(0.25, abs=0.01)
    found = [operator for tree in trees for operator in operators(tree)]
    for name in ("MIN", "MAX", "MED", "SM"):
        assert sum(name == other for other, _ in found) / len(found) == pytest.approx(0.25, abs=0.015)
    arity = np.bincount([children for _, children in found], minlength=11) / len(found)
    assert arity[:2].sum() == 0 and len(arity) == 11
    np.testing.assert_allclose(arity[2:], 1 / 9, atol=0.015)
    assert max(map(depth, trees)) == 4


def test_no_expression_occurs_twice() -> None:
    splits = ListOps(num_train=4000, num_validation=500, num_test=500, min_length=4, max_length=6).load()
    texts = [text for split in splits.values() for text in split.texts]
    assert len(set(texts)) == len(texts) == 5000


def test_test_and_validation_do_not_depend_on_the_size_of_train() -> None:
    small = ListOps(**SMALL).load()
    large = ListOps(**{**SMALL, "num_train": 600}).load()
    for name in ("test", "validation"):
        assert small[name].texts == large[name].texts
    assert large["train"].texts[:300] == small["train"].texts


PRINT = (
    "from swarmformer.data.tasks.listops import ListOps; from swarmformer.data.files import json_hash;"
    "splits = ListOps(num_train=100, num_validation=10, num_test=10).load();"
    "print(json_hash([list(split.texts) for split in splits.values()]))"
)


def test_neither_process_nor_hash_seed_changes_the_examples() -> None:
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": other}
    done = subprocess.run([sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=True)
    splits = ListOps(num_train=100, num_validation=10, num_test=10).load()
    assert done.stdout.strip() == json_hash([list(split.texts) for split in splits.values()])
    drawn = [ListOps(**SMALL, seed=seed).load()["test"].texts for seed in (0, 1, -1)]
    assert drawn[0] != drawn[1] != drawn[2]


@pytest.mark.parametrize("options", [{"num_test": -1}, {"min_length": 300}, {"max_length": 20}])
def test_options_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(SpecError, match="task listops"):
        ListOps(**options)  # type: ignore[arg-type]


def test_too_few_possible_expressions_end_with_advice() -> None:
    with pytest.raises(DataError, match="Widen the lengths"):
        ListOps(num_train=10, num_test=150, max_depth=2, min_length=4, max_length=4, num_validation=400).load()


def _trivial(task: ListOps) -> tuple[float, float, float]:
    """Accuracy in percent of the majority class and of the two trivial predictors on test."""
    splits = task.load()
    test = splits["test"]
    majority = np.bincount(splits["train"].labels).argmax()
    found = [100 * float((test.labels == majority).mean())]
    for predict in task.trivial_predictors(splits["train"]).values():
        predicted = predict(test.without_labels())
        found.append(100 * float((predicted == test.labels).mean()))
    return found[0], found[1], found[2]


def test_trivial_predictors_of_lite_reach_the_known_accuracies() -> None:
    found = _trivial(ListOps(num_train=10_000, num_test=20_000))
    np.testing.assert_allclose(found, [16.9, 35.4, 49.0], atol=1.0)


@pytest.mark.slow
def test_trivial_predictors_of_full_reach_the_known_accuracies() -> None:
    found = _trivial(ListOps(size="full", num_train=10_000, num_test=20_000))
    np.testing.assert_allclose(found, [17.2, 35.5, 49.0], atol=1.2)
