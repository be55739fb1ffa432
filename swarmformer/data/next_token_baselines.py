"""What a language model must beat: how often tokens occur, and interpolated Kneser–Ney n-grams.

All predict the same tokens of the test split as the models, and see of a token's past what they look at, whatever
window it stands in.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from swarmformer.data.kneser_ney import KneserNey
from swarmformer.data.running_text import bytes_of, running_tokens
from swarmformer.data.task import RawSplit
from swarmformer.data.tokenizer import vocab_size

USUAL_ORDER, LONGEST = 5, 10
"""Tokens of an n-gram, the predicted one included: in the floor that everybody knows, and at most."""


def next_token_baselines(splits: Mapping[str, RawSplit], tokenizer: str) -> list[dict[str, Any]]:
    """Rows as ``predictors.compute_predictors`` gives them, with ``perplexity`` (of a token) and ``bits_per_byte``.

    Beside the 5-gram stands the order, of up to 10, that predicts validation best, where that is another.
    """
    tokens = {name: running_tokens(split, tokenizer) for name, split in splits.items()}
    size, test_bytes = vocab_size(tokenizer), bytes_of(splits["test"].texts)

    def row(name: str, model: KneserNey | Unigram, **detail: Any) -> dict[str, Any]:
        started = time.perf_counter()
        predicted = predict(model, tokens["test"])
        seconds = round(time.perf_counter() - started, 1)
        return {
            "name": name, "kind": "baseline", "accuracy": predicted.accuracy, "n": len(predicted.nats), "split": "test",
            "perplexity": predicted.perplexity, "bits_per_byte": predicted.bits_per_byte(test_bytes),
            "detail": {**detail, "n_train": len(tokens["train"]) - 1, "seconds": seconds},
        }  # fmt: skip

    longest = KneserNey(tokens["train"], size, LONGEST)
    losses = {order: float(longest.cut(order).nats(tokens["validation"]).mean()) for order in range(1, LONGEST + 1)}
    best = min(losses, key=lambda order: losses[order])
    rows = [row("unigram", Unigram(tokens["train"], size)),
            row("Kneser–Ney 5-gram", longest.cut(USUAL_ORDER), order=USUAL_ORDER)]  # fmt: skip
    if best != USUAL_ORDER:
        tried = {"order": best, "tried": f"1 to {LONGEST}", "validation_loss": losses[best]}
        rows.append(row("Kneser–Ney, order chosen on validation", longest.cut(best), **tried))
    return rows


@dataclass(frozen=True)
class Predicted:
    """nats: negative log-likelihood of every token, float64 [n]; accuracy: how often the likeliest was right, 0–1."""

    nats: np.ndarray
    accuracy: float

    @property
    def perplexity(self) -> float:
        """Of a token."""
        return float(np.exp(self.nats.mean()))

    def bits_per_byte(self, text_bytes: int) -> float:
        return float(self.nats.sum() / np.log(2) / text_bytes)


def predict(model: KneserNey | Unigram, tokens: np.ndarray) -> Predicted:
    """Every token but the first, from those before it."""
    return Predicted(model.nats(tokens), float((model.likeliest(tokens) == tokens[1:]).mean()))


class Unigram:
    """p(w) = (c(w) + 1) / (T + V): how often a token occurs in training, and one (Laplace)."""

    def __init__(self, train: np.ndarray, size: int) -> None:
        counts_V = np.bincount(train[1:], minlength=size) + 1
        self.p_V = counts_V / counts_V.sum()

    def nats(self, tokens: np.ndarray) -> np.ndarray:
        return -np.log(self.p_V[tokens[1:]])

    def likeliest(self, tokens: np.ndarray) -> np.ndarray:
        return np.full(len(tokens) - 1, self.p_V.argmax())
