"""What a model must beat, and what it cannot: majority class, trivial predictors, NB-SVM, oracles.

All see the same train, validation and test examples as the models. Test is read once for each predictor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from swarmformer.data.cut import Cut, cut_split
from swarmformer.data.next_token_baselines import next_token_baselines
from swarmformer.data.split import load_splits
from swarmformer.data.task import Predictor, RawSplit, Task
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


Sees = Callable[[RawSplit], RawSplit]


@dataclass(frozen=True)
class Fitted:
    """A predictor as it was fitted, and how; ``sees`` is what it is shown of a split, else all of it."""

    name: str
    predict: Predictor
    kind: Literal["baseline", "oracle"] = "baseline"
    detail: Mapping[str, Any] = field(default_factory=dict)
    sees: Sees | None = None

    def row(self, split: RawSplit) -> dict[str, Any]:
        """Its answers to a test split, counted."""
        asked = split.without_labels()
        predicted = self.predict(self.sees(asked) if self.sees else asked)
        accuracy = float((predicted == np.asarray(split.labels)).mean())
        found = {"accuracy": accuracy, "n": len(split.labels), "split": "test", "detail": dict(self.detail)}
        return {"name": self.name, "kind": self.kind, **found}


def compute_predictors(
    task: Task,
    *,
    cut: Cut | None = None,
    tokenizer: str = BERT,
    others: Mapping[str, RawSplit] | None = None,
    **draw: Any,
) -> list[dict[str, Any]]:
    """Rows ``{"name", "kind", "accuracy" (0–1), "n", "split": "test", "detail"}``, JSON values all.

    Where the next token is predicted they have ``perplexity`` and ``bits_per_byte`` too. ``kind`` is "baseline", or
    "oracle" for predictors that know how the task is made; they come last. n counts labels: texts, or the tokens asked
    about.

    Args:
        cut: what models see of long texts; bags of words are then fitted on that too, beside the whole texts.
        tokenizer: whose tokens the cut counts, or are predicted.
        others: test splits of other tasks with the same classes, which the same baselines answer too; these rows have
            ``task``, the name here, and follow that of the task itself.
        draw: how the splits are drawn, as for ``load_splits``.

    Raises:
        DataError: as ``load_splits``.
    """
    splits = load_splits(task, **draw)
    if task.next_token:
        return next_token_baselines(splits, tokenizer)
    asked, rows = dict(others or {}), list[dict[str, Any]]()
    sees = None if cut is None else partial(cut_split, cut=cut, task=task, tokenizer=tokenizer)
    for one in _fitted(task, splits, asked, cut.words if cut else "", sees):  # one is held at a time: they are large
        rows.append(one.row(splits["test"]))
        if one.kind == "baseline":
            rows += [{**one.row(split), "task": name} for name, split in asked.items()]
    return rows


def _fitted(
    task: Task, splits: dict[str, RawSplit], others: Mapping[str, RawSplit], cut: str, sees: Sees | None
) -> Iterator[Fitted]:
    """Baselines, then oracles. ``sees``: what is shown of a split that is ``cut``."""
    train = splits["train"]
    yield _majority(train, task)
    yield from (Fitted(*named) for named in task.trivial_predictors(train).items())
    if not left_out(task):
        yield from _bags_of_words(splits, task)
        if sees is not None and any(_changed(sees, split) for split in (*splits.values(), *others.values())):
            seen = {name: sees(split) for name, split in splits.items()}
            yield from _bags_of_words(seen, task, f", {cut}", sees)
    yield from (Fitted(*named, kind="oracle") for named in task.oracles(train).items())


def _changed(sees: Sees, split: RawSplit) -> bool:
    return list(sees(split).texts) != list(split.texts)


def left_out(task: Task) -> dict[str, str]:
    """Baselines that this task cannot have, with the reason."""
    if task.next_token:
        return {}
    per_token = "it gives one answer for a whole text, but this task asks at several tokens" if task.per_token else ""
    why = per_token or task.without_bags
    return {"NB-SVM": why} if why else {}


def _bags_of_words(
    splits: dict[str, RawSplit], task: Task, beside: str = "", sees: Sees | None = None
) -> Iterator[Fitted]:
    pattern = SPACED if task.vocabulary else WORDS
    for longest, words in ((1, "unigrams"), (2, "unigrams and bigrams")):
        predict, detail = nb_svm(splits, task.num_classes, longest, pattern)
        yield Fitted(f"NB-SVM, {words}{beside}", predict, detail=detail, sees=sees)


def _majority(train: RawSplit, task: Task) -> Fitted:
    label = int(np.bincount(train.labels, minlength=task.num_classes).argmax())
    detail = {"label": task.class_names[label]}
    return Fitted("majority class", lambda asked: np.full(len(asked.labels), label), detail=detail)


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
