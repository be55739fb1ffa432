"""Small encoded data made on the spot, and runs over it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from swarmformer.data.encoded import EncodedData, OtherTest, Split
from swarmformer.data.questions import Questions
from swarmformer.spec import RunSpec
from swarmformer.variants import resolve_run

MARKERS = (1, 2)
VOCABULARY = 16  # ListOps, whose specification these runs borrow, has 16 tokens and 10 classes


def split(name: str, n: int, seed: int, longest: int = 12) -> Split:
    """Texts of 3 … ``longest`` tokens; exactly one is a marker, and the label says which marker it is."""
    rng = np.random.default_rng(seed)
    texts, labels = [], rng.integers(2, size=n)
    for label in labels:
        text = rng.integers(3, 14, size=rng.integers(3, longest + 1))
        text[rng.integers(len(text))] = MARKERS[label]
        texts.append(text)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    names = np.array([f"{name}/{row}" for row in range(n)])
    return Split(np.concatenate(texts).astype(np.int32), offsets, labels.astype(np.int64), names, 0)


def toy_data(train: int = 40, held_out: int = 24) -> EncodedData:
    splits = {"train": split("train", train, 1), "validation": split("validation", held_out, 2)}
    return EncodedData({**splits, "test": split("test", held_out, 3)}, VOCABULARY, 2, 0, "toy")


def level(data: EncodedData) -> EncodedData:
    """The same with texts of one length, so that all batches have one shape."""
    return replace(data, splits={name: _level(split) for name, split in data.splits.items()})


def _level(split: Split) -> Split:
    ids = np.stack([np.resize(split.example(row), 16) for row in range(len(split))])
    return replace(split, ids=ids.ravel(), offsets=np.arange(len(split) + 1, dtype=np.int64) * 16)


def asked_elsewhere() -> EncodedData:
    """The same with the test split of another task, of longer texts."""
    return replace(toy_data(), out_of_domain={"other": OtherTest(split("other", 30, 4, longest=16), "toy other")})


def toy_run(variant: str = "base", seed: int = 0, model: dict[str, Any] | None = None, **train: Any) -> RunSpec:
    """A run whose model fits ``toy_data``; dropout stays on, so that random numbers matter."""
    patch = {
        "data": {"task": {"name": "listops", "size": "lite"}, "buckets": 2},
        "model": {"dims": {"d_model": 16, "num_layers": 1, "cluster_size": 4, "seq_len": 16}, **(model or {})},
        "train": {"batch_size": 8, "epochs": 3, "checkpoint_seconds": 1e9, "precision": "fp32", **train},
    }
    spec = resolve_run(variant, [(patch, "test")], seed)
    dims = spec.model.dims.model_copy(update={"vocab_size": VOCABULARY, "num_classes": 2})
    return spec.model_copy(update={"model": spec.model.model_copy(update={"dims": dims})})


def token_data(train: int = 40, held_out: int = 24) -> EncodedData:
    """Texts as in ``toy_data``, asked at two to three of their tokens: is this token's number odd?"""
    data = toy_data(train, held_out)
    splits = {name: _asked(part, seed) for seed, (name, part) in enumerate(data.splits.items())}
    return EncodedData(splits, VOCABULARY, 2, 0, "toy tokens")


def _asked(part: Split, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    rows = [np.sort(rng.choice(length, size=2 + row % 2, replace=False)) for row, length in enumerate(part.lengths)]
    questions = Questions.from_rows(rows)
    labels = part.ids[part.offsets[questions.text] + questions.positions] % 2
    return Split(part.ids, part.offsets, labels.astype(np.int64), part.names, 0, questions)
