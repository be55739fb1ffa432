"""What a model must beat, and what it cannot: majority class, trivial predictors, NB-SVM, oracles.

All see the same train, validation and test examples as the models. Test is read once for each predictor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmformer.data.cut import Cut, cut_split
from swarmformer.data.next_token_baselines import next_token_baselines
from swarmformer.data.split import load_splits
from swarmformer.data.task import RawSplit, Task
from swarmformer.data.tokenizer import BERT

if TYPE_CHECKING:
    from scipy import sparse  # and scikit-learn where it is used: plans of grids do without, and it takes seconds

SMOOTHING = 1.0
STRENGTHS = (0.1, 0.3, 1.0, 3.0)
"""Inverse regularisation strengths C to choose from on validation."""
WORDS = r"(?u)\w+|[^\w\s]"
"""Words and single punctuation marks."""
SPACED = r"(?u)\S+"
"""Tokens of tasks with their own vocabulary."""


def compute_predictors(
    task: Task, *, cut: Cut | None = None, tokenizer: str = BERT, **draw: Any
) -> list[dict[str, Any]]:
    """Rows ``{"name", "kind", "accuracy" (0–1), "n", "split": "test", "detail"}``, JSON values all.

    Where the next token is predicted they have ``perplexity`` and ``bits_per_byte`` too. ``kind`` is "baseline", or
    "oracle" for predictors that know how the task is made; they come last. n counts labels: texts, or the tokens asked
    about.

    Args:
        cut: what models see of long texts; bags of words are then fitted on that too, beside the whole texts.
        tokenizer: whose tokens the cut counts, or are predicted.
        draw: how the splits are drawn, as for ``load_splits``.

    Raises:
        DataError: as ``load_splits``.
    """
    splits = load_splits(task, **draw)
    if task.next_token:
        return next_token_baselines(splits, tokenizer)
    train, test = splits["train"], splits["test"]
    asked = test.without_labels()
    rows = [_majority(train, test, task)]
    rows += [_row(name, predict(asked), test) for name, predict in task.trivial_predictors(train).items()]
    if not left_out(task):
        rows += _bags_of_words(splits, task)
        seen = {} if cut is None else {name: cut_split(split, cut, task, tokenizer) for name, split in splits.items()}
        if cut is not None and any(list(seen[name].texts) != list(splits[name].texts) for name in seen):
            rows += _bags_of_words(seen, task, f", {cut.words}")
    oracles = task.oracles(train).items()
    return rows + [_row(name, predict(asked), test, kind="oracle") for name, predict in oracles]


def left_out(task: Task) -> dict[str, str]:
    """Baselines that this task cannot have, with the reason."""
    if task.next_token:
        return {}
    per_token = "it gives one answer for a whole text, but this task asks at several tokens" if task.per_token else ""
    why = per_token or task.without_bags
    return {"NB-SVM": why} if why else {}


def _bags_of_words(splits: dict[str, RawSplit], task: Task, beside: str = "") -> list[dict[str, Any]]:
    pattern = SPACED if task.vocabulary else WORDS
    rows = []
    for longest, words in ((1, "unigrams"), (2, "unigrams and bigrams")):
        predicted, detail = nb_svm(splits, task.num_classes, longest, pattern)
        rows.append(_row(f"NB-SVM, {words}{beside}", predicted, splits["test"], detail))
    return rows


def _row(
    name: str, predicted: np.ndarray, test: RawSplit, detail: dict[str, Any] | None = None, kind: str = "baseline"
) -> dict[str, Any]:
    accuracy = float((predicted == np.asarray(test.labels)).mean())
    found = {"accuracy": accuracy, "n": len(test.labels), "split": "test", "detail": detail or {}}
    return {"name": name, "kind": kind, **found}


def _majority(train: RawSplit, test: RawSplit, task: Task) -> dict[str, Any]:
    label = int(np.bincount(train.labels, minlength=task.num_classes).argmax())
    return _row("majority class", np.full(len(test.labels), label), test, {"label": task.class_names[label]})


def nb_svm(
    splits: dict[str, RawSplit], num_classes: int, longest: int, pattern: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """Predict test by logistic NB-SVM (Wang and Manning, ACL 2012) over binary n-grams up to ``longest``.

    Features are weighted by their naive Bayes log-count ratio; C is the best on validation, the smallest
    of several. With more than two classes, one classifier for each against the rest.

    Returns:
        predicted labels [n_test], and how they came about.
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
    predicted = scorers[best](vectorizer.transform(splits["test"].texts)).argmax(1)
    return predicted, {
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
    from sklearn.linear_model import LogisticRegression

    if not positive.any():
        return np.zeros(features.shape[1]), -np.inf
    ratio = log_count_ratio(features, positive)
    model = LogisticRegression(C=c, solver="liblinear", max_iter=200)
    model.fit(features.multiply(ratio).tocsr(), positive)
    return model.coef_[0] * ratio, float(model.intercept_[0])


def log_count_ratio(features: sparse.csr_matrix, positive: np.ndarray) -> np.ndarray:
    """log((p / |p|₁) / (q / |q|₁)), p and q the smoothed counts of features in and outside the class, [F]."""
    p = SMOOTHING + np.asarray(features[positive].sum(0), dtype=np.float64).ravel()
    q = SMOOTHING + np.asarray(features[~positive].sum(0), dtype=np.float64).ravel()
    return np.log(p / p.sum()) - np.log(q / q.sum())
