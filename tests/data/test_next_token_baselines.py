"""Kneser–Ney against its definition written out with dictionaries, and floors of running text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from swarmformer.data.kneser_ney import KneserNey
from swarmformer.data.next_token_baselines import Unigram, next_token_baselines, predict
from swarmformer.data.running_text import running_tokens
from swarmformer.data.task import RawSplit

V = 6
Probability = Callable[[int, tuple[int, ...]], float]


def written_out(train: list[int], longest: int) -> Probability:
    """p(w | h) as Chen & Goodman 1999 define it, with absolute discounts of one order each."""
    occurrences = {
        k: Counter(tuple(train[i : i + k]) for i in range(len(train) - k + 1)) for k in range(1, longest + 1)
    }
    counts = {k: occurrences[k] if k == longest else Counter(gram[1:] for gram in occurrences[k + 1])
              for k in occurrences}  # fmt: skip

    def discount(k: int) -> float:
        once, twice = (sum(count == n for count in counts[k].values()) for n in (1, 2))
        return once / (once + 2 * twice) if once else 0.5

    def p(word: int, history: tuple[int, ...], k: int | None = None) -> float:
        k = min(longest, len(history) + 1) if k is None else k
        if k == 0:
            return 1 / V
        context = history[len(history) - k + 1 :]
        after = {gram[-1]: count for gram, count in counts[k].items() if gram[:-1] == context}
        if not after:
            return p(word, history, k - 1)
        total = sum(after.values())
        kept = max(after.get(word, 0) - discount(k), 0) / total
        return kept + discount(k) * len(after) / total * p(word, history, k - 1)

    return p


@pytest.fixture(scope="module")
def text() -> tuple[np.ndarray, np.ndarray]:
    """Training text in which the last token never occurs, and text in which it does."""
    rng = np.random.default_rng(0)
    train = rng.choice(V - 1, size=150, p=[0.4, 0.3, 0.2, 0.05, 0.05]).astype(np.int32)
    return train, rng.integers(0, V, 50).astype(np.int32)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_are_those_of_the_definition(text: tuple[np.ndarray, np.ndarray], order: int) -> None:
    train, test = text
    p, model = written_out(train.tolist(), order), KneserNey(train, V, 5).cut(order)
    words = test.tolist()
    expected = [p(words[t], tuple(words[max(0, t - order + 1) : t])) for t in range(1, len(words))]
    np.testing.assert_allclose(np.exp(-model.nats(test)), expected, rtol=1e-12)
    likeliest = [max(range(V), key=lambda w: p(w, tuple(words[max(0, t - order + 1) : t])))
                 for t in range(1, len(words))]  # fmt: skip
    assert model.likeliest(test).tolist() == likeliest


def test_probabilities_sum_to_one(text: tuple[np.ndarray, np.ndarray]) -> None:
    train, test = text
    model = KneserNey(train, V, 4)
    rows = model.distribution(np.stack(model._contexts(test), axis=1))
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-12)
    assert Unigram(train, V).p_V.sum() == pytest.approx(1)


def test_a_text_that_was_learnt_is_predicted_better_than_chance(text: tuple[np.ndarray, np.ndarray]) -> None:
    train, _ = text
    for model in (Unigram(train, V), KneserNey(train, V, 3)):
        assert predict(model, train).perplexity < V


def test_floors_of_text_count_its_bytes_and_every_token(tmp_path: Path) -> None:
    texts = {"train": ["ab ab abc é " * 30], "validation": ["abc ab é " * 9], "test": ["ab é", "abd\n"]}
    splits = {name: RawSplit(part, np.full(len(part), -1), [f"{name}/{n}" for n in range(len(part))])
              for name, part in texts.items()}  # fmt: skip
    rows = next_token_baselines(splits, "bytes")
    assert [row["name"] for row in rows][:2] == ["unigram", "Kneser–Ney 5-gram"]
    for row in rows:
        assert row["n"] == 5 + 1 + 4 + 1, "each byte, and the end of each document"
        bits = row["n"] * math.log2(row["perplexity"])
        assert row["bits_per_byte"] == pytest.approx(bits / (5 + 4))
    tokens = running_tokens(splits["test"], "bytes")
    counts = np.bincount(running_tokens(splits["train"], "bytes")[1:], minlength=261) + 1
    expected = -np.log2(counts[tokens[1:]] / counts.sum()).sum() / 9
    assert rows[0]["bits_per_byte"] == pytest.approx(expected)
