"""What a model must beat, and what it cannot: majority class, trivial predictors, NB-SVM, oracles.

All see the same train, validation and test examples as the models. Test is read once for each predictor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from swarmformer.data.cut import Cut, cut_split
from swarmformer.data.nb_svm import nb_svm
from swarmformer.data.next_token_baselines import next_token_baselines
from swarmformer.data.split import load_splits
from swarmformer.data.task import Predictor, RawSplit, Task
from swarmformer.data.tokenizer import BERT

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
