"""The channel that starts as NB-SVM, against the penalised likelihood minimised by SciPy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from swarmformer.components.channel.ngrams import Ngrams
from swarmformer.data.encoded import TrainingTexts
from swarmformer.errors import SpecError
from tests.components.test_ngrams import bag, dims, logits, texts

ALPHA, C = 0.5, 0.7
"""Of counts and of the penalty, neither the default."""


def told_by_words(classes: int, n: int = 120) -> TrainingTexts:
    """In two texts of three a word tells the class, so that a regression has something to find."""
    given = texts(classes, n=n)
    for row in set(range(n)) - set(range(0, n, 3)):
        first = given.split.offsets[row] + 1
        given.split.ids[first] = 3 + given.split.labels[row]
    return given


def channel(given: TrainingTexts, classes: int = 2, **options: Any) -> Ngrams:
    made = Ngrams(dims(classes), start="regression", **{"buckets": 2**20, "alpha": ALPHA, "strength": C, **options})
    made.fit(given)
    return made.eval()


def nb_svm(features: np.ndarray, own: np.ndarray, min_texts: int = 1) -> Any:
    """Scores of features: Σ w² / 2 + b² / 2 + C · Σ log(1 + exp(−y · (r ∘ f · w + b))) is least at w and b."""
    seen = features.sum(0) >= min_texts
    p, q = (ALPHA + features[side][:, seen].sum(0) for side in (own, ~own))
    ratio = np.zeros(features.shape[1])
    ratio[seen] = np.log(p / p.sum()) - np.log(q / q.sum())
    given = np.hstack([features * ratio, np.ones((len(features), 1))])
    sign = np.where(own, 1.0, -1.0)

    def cost(weight: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (given @ weight)
        slope = -C * sign / (1 + np.exp(margin))
        return weight @ weight / 2 + C * np.logaddexp(0, -margin).sum(), weight + given.T @ slope

    found = minimize(cost, np.zeros(given.shape[1]), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0.0})
    return lambda asked: np.hstack([asked * ratio, np.ones((len(asked), 1))]) @ found.x


def columns(labels: np.ndarray, classes: int) -> list[np.ndarray]:
    return [labels == k for k in ([1] if classes == 2 else range(classes))]


def likeliest(features: np.ndarray, labels: np.ndarray, classes: int, min_texts: int) -> float:
    """The factor that makes every fifth text likeliest, judged by the other four fifths."""
    held = np.zeros((len(labels), len(columns(labels, classes))))
    for fold in range(5):
        inside = np.arange(len(labels)) % 5 == fold
        for column, own in enumerate(columns(labels, classes)):
            held[inside, column] = nb_svm(features[~inside], own[~inside], min_texts)(features[inside])
    logit = np.hstack([-held, held]) / 2 if classes == 2 else held

    def surprise(factor: float) -> float:
        return -float(log_softmax(factor * logit, axis=1)[np.arange(len(labels)), labels].mean())

    return float(minimize_scalar(surprise, bounds=(0, 4), method="bounded", options={"xatol": 1e-6}).x)


@pytest.mark.parametrize("min_texts", [1, 3])
@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_those_of_the_penalised_likelihood_scaled_by_held_out_fifths(classes: int, min_texts: int) -> None:
    given = told_by_words(classes)
    features, labels = bag(given, 2).toarray(), given.split.labels
    factor = likeliest(features, labels, classes, min_texts)
    assert 0.1 < factor < 3.9, "not at an end, where any error would end"
    found = logits(channel(given, classes, min_texts=min_texts), given)
    found = (found[:, 1] - found[:, 0])[:, None] if classes == 2 else found
    for column, own in enumerate(columns(labels, classes)):
        expected = factor * nb_svm(features, own, min_texts)(features)
        assert np.abs(expected).max() > 0.5
        np.testing.assert_allclose(found[:, column], expected, atol=0.01)  # liblinear stops early


def test_copies_that_an_augmentation_added_are_not_fitted() -> None:
    """A text is not held out while a copy of it is fitted."""
    given = told_by_words(2)
    names = np.array([f"synonyms#{row}(train/{row})" for row in range(len(given.split))])
    doubled = replace(given, split=given.split.joined(replace(given.split, names=names)))
    assert torch.equal(channel(given).table_RC, channel(doubled).table_RC)


@pytest.mark.parametrize("n", [1, 3])
def test_a_class_that_no_text_has_starts_at_its_smoothed_log_odds(n: int) -> None:
    given = texts(3, n=n)
    given.split.labels[:] = 1
    made = channel(given, 3)
    assert torch.equal(made.table_RC, torch.zeros_like(made.table_RC))
    odds = np.log([1 / (n + 1), n + 1, 1 / (n + 1)])
    bias = made.bias_C.detach().numpy()
    assert np.allclose(bias * odds[1], odds * bias[1], atol=1e-6), "by one factor"
    assert n > 1 or np.allclose(bias, odds)


def test_it_scales_itself() -> None:
    with pytest.raises(SpecError, match=r"regression finds its own scale: leave it out"):
        Ngrams(dims(2), start="regression", scale=1.0)
