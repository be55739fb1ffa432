"""Real texts to measure with: a sample of a task's test split, as text and as token ids."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from swarmformer.data.cut import Cut
from swarmformer.data.encode import Tokens
from swarmformer.data.encoded import Split
from swarmformer.data.encoding import encoder
from swarmformer.data.task import RawSplit
from swarmformer.spec import DataSpec
from swarmformer.variants import make_task

PARALLELISM = "TOKENIZERS_PARALLELISM"
"""Read by the tokenizer at every call; it knows one thread or all cores, nothing between."""


@dataclass(frozen=True, eq=False)
class TextSample:
    """``raw`` texts and how they are encoded; ``split`` is what they become, cut to ``seq_len`` tokens."""

    raw: RawSplit
    encode: Callable[[RawSplit], Tokens]
    split: Split
    pad_id: int

    def encoded(self) -> Split:
        """Encode all texts anew."""
        return _as_split(self.raw, self.encode(self.raw))

    def encoded_text(self, row: int) -> np.ndarray:
        """Encode one text anew: its ids, int32."""
        return self.encode(self.raw.take(np.array([row]))).ids


def sample_texts(data: DataSpec, *, seq_len: int, texts: int, seed: int = 0) -> TextSample:
    """Draw so many texts of the test split (or all of them, where there are fewer), in random order.

    Raises:
        DataError: the task's data or tokenizer is missing.
    """
    task = make_task(data)
    test = task.load()["test"]
    rows = np.random.default_rng(seed).permutation(len(test))[:texts]
    raw = test.take(rows)
    encode, sizes = encoder(task, data.tokenizer, Cut(seq_len, data.cut, data.cut_share))
    return TextSample(raw, encode, _as_split(raw, encode(raw)), sizes["pad_id"])


def _as_split(raw: RawSplit, tokens: Tokens) -> Split:
    labels, names = np.asarray(raw.labels, dtype=np.int64), np.array(raw.ids)
    return Split(tokens.ids, tokens.offsets, labels, names, tokens.truncated, raw.questions)


@contextmanager
def tokenizer_threads(threads: int) -> Iterator[int]:
    """Let the tokenizer use one thread where torch has one, else all cores; gives how many those are."""
    before = os.environ.get(PARALLELISM)
    os.environ[PARALLELISM] = "false" if threads == 1 else "true"
    try:
        yield 1 if threads == 1 else os.cpu_count() or 1
    finally:
        del os.environ[PARALLELISM]
        if before is not None:
            os.environ[PARALLELISM] = before
