"""Counted scores against scikit-learn's on the whole, and calibration against its closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, precision_recall_fscore_support

from swarmformer.scores import BINS, Tally


def test_counted_in_parts_as_on_the_whole() -> None:
    rng = np.random.default_rng(0)
    logits_NK, labels_N = rng.normal(size=(500, 4)) * 2, rng.integers(3, size=500)  # no example of the last class
    tally = Tally(("a", "b", "c", "d"))
    for rows in np.split(np.arange(500), (1, 200, 201)):
        np.testing.assert_allclose(tally.add(labels_N[rows], logits_NK[rows]), log_softmax(logits_NK[rows], axis=1))
    found, answers_N, probabilities_NK = tally.scores(), logits_NK.argmax(axis=1), softmax(logits_NK, axis=1)
    assert found.accuracy == pytest.approx(accuracy_score(labels_N, answers_N)) and found.n == 500
    assert found.loss == pytest.approx(log_loss(labels_N, probabilities_NK, labels=range(4)))
    assert found.confusion_KK == tuple(map(tuple, confusion_matrix(labels_N, answers_N, labels=range(4)).tolist()))
    expected = precision_recall_fscore_support(labels_N, answers_N, labels=range(4), zero_division=0)
    by_class = [(one.precision, one.recall, one.f1, one.n) for one in found.classes]
    np.testing.assert_allclose(by_class, np.array(expected).T)
    np.testing.assert_allclose((found.precision, found.recall, found.f1), np.array(expected)[:3].mean(axis=1))
    assert sum(one.n for one in found.bins) == 500
    assert found.ece == pytest.approx(plain_ece(labels_N, probabilities_NK))
    low, high = found.interval
    assert low < found.accuracy < high


def plain_ece(labels_N: np.ndarray, probabilities_NK: np.ndarray) -> float:
    """Guo et al. (2017), equation 3, bin by bin."""
    confidence_N, right_N = probabilities_NK.max(axis=1), probabilities_NK.argmax(axis=1) == labels_N
    total = 0.0
    for low in np.arange(BINS) / BINS:
        inside_N = (confidence_N >= low) & (confidence_N < low + 1 / BINS)
        if inside_N.any():
            total += inside_N.mean() * abs(right_N[inside_N].mean() - confidence_N[inside_N].mean())
    return total


@pytest.mark.parametrize(("margin", "right", "expected"), [(0.0, 0.5, 0.0), (np.log(9), 1.0, 0.1), (50.0, 0.0, 1.0)])
def test_calibration_where_it_is_known(margin: float, right: float, expected: float) -> None:
    """Two classes with one confidence for all answers: the error is its distance from the accuracy."""
    logits_NK = np.tile([margin, 0.0], (10, 1))
    tally = Tally(("a", "b"))
    tally.add(np.array([0] * round(10 * right) + [1] * round(10 * (1 - right))), logits_NK)
    assert tally.scores().ece == pytest.approx(expected, abs=1e-9)
    assert len(tally.scores().bins) == 1
