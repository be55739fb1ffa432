"""Ask a trained model: texts in, answers out, in the order of the texts and in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor

from swarmformer.cost.precision import forward_precision
from swarmformer.data.batching import Batches
from swarmformer.data.encode import Tokens, check_text
from swarmformer.data.encoded import Split
from swarmformer.environment import resolve_device
from swarmformer.errors import SpecError
from swarmformer.generation import TextGenerator
from swarmformer.hub import CompleteModel, read
from swarmformer.hub.pretrained import Pretrained
from swarmformer.training.evaluate import predict

BATCH = 256
WINDOW, WINDOW_CHARACTERS = 4096, 1 << 24
"""Texts, and characters, that are held at once: among them texts are sorted by length."""


@dataclass(frozen=True)
class Answer:
    """``label`` is the likeliest class; ``probabilities`` are those of the softmax, by class, and add up to 1."""

    label: str
    probabilities: dict[str, float]


class TextClassifier(Pretrained, pipeline_tag="text-classification"):
    """A model in eval mode, with what it reads texts with and the names of its classes.

    ``save_pretrained``, ``from_pretrained`` and ``push_to_hub`` are huggingface_hub's.

    Args:
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``fp32``, ``bf16``, or ``auto`` for whichever is faster on this machine.

    Raises:
        SpecError: a model that answers at tokens, or one that was saved without what it reads texts with.
    """

    def __init__(self, complete: CompleteModel, device: str = "auto", precision: str = "auto") -> None:
        if complete.model.per_token:
            raise SpecError("this model answers at every token, not once for a text: use swarmformer.hub.load_model")
        if complete.text is None:
            raise SpecError("this model was saved without a tokenizer: use swarmformer.hub.load_model, or save it by "
                            "swarmformer train")  # fmt: skip
        self.complete, self.text, self.classes = complete, complete.text, complete.classes
        self.device = resolve_device(device)
        self.model = complete.model.to(self.device).eval()
        self.tokenizer, self.cut, self.seq_len = self.text.tokenizer, self.text.cut, self.text.cut.seq_len
        self.precision = forward_precision(self.model, precision)
        self.truncated = 0
        """Texts that were cut so far."""

    def __call__(self, texts: str | Iterable[str], *, batch_size: int = BATCH) -> list[Answer]:
        """The answer for each text; one text alone is a list of one."""
        return list(self.answers([texts] if isinstance(texts, str) else texts, batch_size=batch_size))

    def answers(self, texts: Iterable[str], *, batch_size: int = BATCH) -> Iterator[Answer]:
        """The answer for each text, as ``logits`` streams."""
        for logits_NK in self._windows(((text, None) for text in texts), batch_size):
            shares_NK = softmax(logits_NK.astype(np.float64), axis=1).tolist()
            for place, share_K in zip(logits_NK.argmax(axis=1).tolist(), shares_NK, strict=True):
                yield Answer(self.classes[place], dict(zip(self.classes, share_K, strict=True)))

    def logits(self, texts: Iterable[str], *, batch_size: int = BATCH) -> Iterator[np.ndarray]:
        """logits_K (fp32) of each text, in the order of the texts.

        Texts are taken in windows of some thousand, in which they are sorted by length and padded as in training, so
        that any number of them can be streamed.

        Raises:
            DataError: something that is no text, or a token that the model does not know, with its place.
        """
        return self.named_logits(((text, None) for text in texts), batch_size=batch_size)

    def named_logits(self, named: Iterable[tuple[str, str | None]], *, batch_size: int = BATCH) -> Iterator[np.ndarray]:
        """As ``logits``, for texts with the names of their examples, which a random cut is drawn from; None where
        there is none."""
        for logits_NK in self._windows(named, batch_size):
            yield from logits_NK

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """ids_BN (int64) and mask_BN (True on real tokens), cut as in training, padded as the longest needs."""
        split = self._split(texts, [None] * len(texts))
        batches = Batches(split, batch_size=len(split), lengths=self.text.lengths, pad_id=self.text.pad_id, seed=None)
        [(_, length)] = batches.plan(0)
        batch = batches.batch(np.arange(len(split)), length)
        return batch.ids_BN, batch.mask_BN

    def _windows(self, named: Iterable[tuple[str, str | None]], batch_size: int) -> Iterator[np.ndarray]:
        """logits_NK of as many texts as are held at once."""
        for window in _windows(named):
            texts, names = zip(*window, strict=True)
            yield self._window(texts, names, batch_size).numpy()

    def _split(self, texts: Sequence[str], names: Sequence[str | None]) -> Split:
        """Encoded, without labels."""
        tokens: Tokens = self.text.encode(texts, names)
        self.truncated += tokens.truncated
        places = np.arange(len(texts))
        return Split(tokens.ids, tokens.offsets, np.zeros(len(texts), np.int64), places.astype(str), tokens.truncated)

    def _window(self, texts: Sequence[str], names: Sequence[str | None], batch_size: int) -> Tensor:
        """logits_NK of as many texts as are taken at once."""
        split = self._split(texts, names)
        logits_NK = torch.empty(len(split), len(self.classes))
        for rows in self._alike(split):
            batches = Batches(
                split.take(rows), batch_size=batch_size, lengths=self.text.lengths, pad_id=self.text.pad_id, seed=None
            )
            logits_NK[torch.from_numpy(rows)] = predict(self.model, batches, self.device, self.precision)
        return logits_NK

    def _alike(self, split: Split) -> Iterator[np.ndarray]:
        """Rows that may share batches: all, unless pads touch the result; then those that are padded to one length."""
        if self.model.honours_mask:
            yield np.arange(len(split))
            return
        padded = np.searchsorted(self.text.lengths, split.lengths)
        for place in np.unique(padded):
            yield np.flatnonzero(padded == place)


def load(
    source: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    variant: str | None = None,
    revision: str | None = None,
    trust_code: bool = False,
) -> TextClassifier | TextGenerator:
    """A model ready to be asked, or a language model ready to write, from a folder, the folder of a run, or the hub.

    Args:
        source, variant, revision, trust_code: as for ``swarmformer.hub.read``.
        device, precision: as for ``TextClassifier``; a language model is asked in fp32.

    Raises:
        SpecError, DataError: it cannot be read or is not to be trusted; says what to do.
    """
    complete = read(source, variant, revision=revision, trust_code=trust_code)
    if complete.tells_next_token:
        if precision not in ("auto", "fp32"):
            raise SpecError(f"precision {precision!r}: a language model is asked in fp32; leave it out")
        return TextGenerator(complete, device)
    return TextClassifier(complete, device, precision)


def _windows(pairs: Iterable[tuple[str, str | None]]) -> Iterator[list[tuple[str, str | None]]]:
    """Texts with their names, as many as are held at once."""
    window: list[tuple[str, str | None]] = []
    characters = 0
    for place, (text, name) in enumerate(pairs):
        check_text(text, f"text {place} (counted from 0)")
        window.append((text, name))
        characters += len(text)
        if len(window) == WINDOW or characters >= WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window
