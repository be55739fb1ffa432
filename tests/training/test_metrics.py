"""Metrics of classification, by hand and by counting."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmformer.training.evaluate import classification_metrics


def test_metrics_of_two_classes_by_hand() -> None:
    """Guesses 1 1 1 0 0 for labels 1 1 0 0 1: of three called positive two are, of three positives two are found."""
    logits = torch.tensor([[0, 1], [0, 2], [0, 3], [1, 0], [4, 0]]).float()
    metrics = classification_metrics(logits, torch.tensor([1, 1, 0, 0, 1]))
    loss = sum(math.log(1 + math.exp(m)) for m in (-1, -2, 3, -1, 4)) / 5
    expected = {"accuracy": 3 / 5, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "loss": loss, "n": 5}
    assert metrics == pytest.approx(expected, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 4).flatmap(
        lambda K: st.tuples(st.just(K), st.lists(st.tuples(*[st.integers(0, K - 1)] * 2), min_size=1, max_size=30))
    )
)
def test_metrics_by_counting(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    """Class 1 for two classes, the plain mean over all classes for more; 0 where a rate has no denominator."""
    K, pairs = drawn
    logits = torch.eye(K)[[guess for guess, _ in pairs]]
    metrics = classification_metrics(logits, torch.tensor([truth for _, truth in pairs]))
    rates = []
    for k in [1] if K == 2 else range(K):
        hits = sum(guess == truth == k for guess, truth in pairs)
        called, real = sum(g == k for g, _ in pairs), sum(t == k for _, t in pairs)
        rates.append((hits / called if called else 0, hits / real if real else 0, 2 * hits / (called + real or 1)))
    means = [sum(column) / len(rates) for column in zip(*rates, strict=True)]
    assert [metrics["precision"], metrics["recall"], metrics["f1"]] == pytest.approx(means)
    assert metrics["accuracy"] == pytest.approx(sum(g == t for g, t in pairs) / len(pairs))
