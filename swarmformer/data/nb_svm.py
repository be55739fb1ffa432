"""Logistic NB-SVM (Wang & Manning 2012): a regression on n-grams that are weighted by naive Bayes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmformer.data.task import Predictor, RawSplit

if TYPE_CHECKING:
    from scipy import sparse  # and scikit-learn where it is used: plans of grids do without, and it takes seconds

SMOOTHING = 1.0
STRENGTHS = (0.1, 0.3, 1.0, 3.0)
"""Inverse regularisation strengths C to choose from on validation."""


def nb_svm(
    splits: dict[str, RawSplit], num_classes: int, longest: int, pattern: str
) -> tuple[Predictor, dict[str, Any]]:
    """Fit logistic NB-SVM (Wang and Manning, ACL 2012) over binary n-grams up to ``longest``.

    Features are weighted by their naive Bayes log-count ratio; C is the best on validation, the smallest
    of several. With more than two classes, one classifier for each against the rest.

    Returns:
        what predicts labels, and how it came about.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    started = time.perf_counter()
    vectorizer = CountVectorizer(
        ngram_range=(1, longest), binary=True, token_pattern=pattern, lowercase=True, dtype=np.float32
    )
    train = vectorizer.fit_transform(splits["train"].texts)
    validation = vectorizer.transform(splits["validation"].texts)
    scorers = {c: _fit(train, np.asarray(splits["train"].labels), num_classes, c) for c in STRENGTHS}
    truth = np.asarray(splits["validation"].labels)
    accuracy = {c: float((score(validation).argmax(1) == truth).mean()) for c, score in scorers.items()}
    best = max(accuracy, key=lambda c: (accuracy[c], -c))
    edges = {min(STRENGTHS): "lowest", max(STRENGTHS): "highest"}  # beyond which a better C may lie
    return lambda asked: scorers[best](vectorizer.transform(asked.texts)).argmax(1), {
        "C": best,
        "tried": " ".join(f"{c:g}" for c in STRENGTHS),
        **({"at the edge": edges[best]} if best in edges else {}),
        "validation_accuracy": accuracy[best],
        "features": train.shape[1],
        "n_train": train.shape[0],
        "seconds": round(time.perf_counter() - started, 1),
    }


Scorer = Callable[["sparse.csr_matrix"], np.ndarray]
"""Maps features [n, F] to scores [n, K]."""


def _fit(features: sparse.csr_matrix, labels: np.ndarray, num_classes: int, c: float) -> Scorer:
    """One classifier per class against the rest; for two classes one, whose score counts for and against."""
    classes = [1] if num_classes == 2 else range(num_classes)
    weights, biases = zip(*(_fit_one(features, labels == k, c) for k in classes), strict=True)
    weight, bias = np.stack(weights, 1), np.array(biases)

    def scores(rows: sparse.csr_matrix) -> np.ndarray:
        found = rows @ weight + bias
        return np.hstack([-found, found]) if num_classes == 2 else found

    return scores


def _fit_one(features: sparse.csr_matrix, positive: np.ndarray, c: float) -> tuple[np.ndarray, float]:
    """Weights [F] and bias of one binary classifier; a class without examples never wins."""
    if not positive.any():
        return np.zeros(features.shape[1]), -np.inf
    return regress(features, log_count_ratio(features, positive), positive, c)


def regress(
    features: sparse.csr_matrix, ratio: np.ndarray, positive: np.ndarray, c: float
) -> tuple[np.ndarray, float]:
    """Weights [F] and bias of a logistic regression on features [n, F] that are weighted by their ratios [F].

    Args:
        positive: which examples are of the class; some are and some are not.
        c: inverse strength of the L2 penalty on coefficients, which is then larger on weights of small ratios.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, solver="liblinear", max_iter=200)
    model.fit(features.multiply(ratio).tocsr(), positive)
    return model.coef_[0] * ratio, float(model.intercept_[0])


def log_count_ratio(features: sparse.csr_matrix, positive: np.ndarray) -> np.ndarray:
    """log((p / |p|₁) / (q / |q|₁)), p and q the smoothed counts of features in and outside the class, [F]."""
    p = SMOOTHING + np.asarray(features[positive].sum(0), dtype=np.float64).ravel()
    q = SMOOTHING + np.asarray(features[~positive].sum(0), dtype=np.float64).ravel()
    return np.log(p / p.sum()) - np.log(q / q.sum())
