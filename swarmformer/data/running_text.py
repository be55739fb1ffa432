"""Documents as one run of tokens, cut into windows in which every token is predicted from those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swarmformer.data.questions import Questions
from swarmformer.data.task import RawSplit
from swarmformer.data.tokenizer import load_tokenizer, pad_id
from swarmformer.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BOUNDARIES = ("[EOS]", "[SEP]", "<|endoftext|>", "</s>")
"""What may stand between documents, in this order; the pad where a tokenizer has none of them."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Window i has ``ids[offsets[i]:offsets[i + 1]]``; its ``questions`` are where the next token is asked for, and
    ``labels`` that token. text_bytes: of all documents, in UTF-8."""

    ids: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    questions: Questions
    text_bytes: int


def boundary_id(tokenizer: Tokenizer) -> int:
    """The token that stands before, between and after documents."""
    found = (tokenizer.token_to_id(token) for token in BOUNDARIES)
    known = next((index for index in found if index is not None), None)
    return pad_id(tokenizer, "of this run") if known is None else known


def running_tokens(split: RawSplit, name: str, tokenizer: Tokenizer | None = None) -> np.ndarray:
    """The documents as the tokenizer of this name has them, int32: boundary, document, boundary … boundary.

    Raises:
        DataError: a document that the tokenizer does not give back; bits per byte would not be of it.
    """
    tokenizer = tokenizer or load_tokenizer(name)
    tokenizer.encode_special_tokens = True  # "[SEP]" in a text is five characters of it
    between = np.array([boundary_id(tokenizer)], dtype=np.int32)
    parts = [between]
    for text, document in zip(split.texts, split.ids, strict=True):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        if tokenizer.decode(ids, skip_special_tokens=False) != text:
            raise DataError(
                f"tokenizer {name!r} does not give {document} back as it was (capitals, spaces or unknown characters "
                "are lost), so that what predicts its tokens does not predict the text: set data.tokenizer: bytes, "
                "or train one that does with 'swarmformer tokenizer'"
            )
        parts += [np.array(ids, dtype=np.int32), between]
    return np.concatenate(parts)


def windows(tokens: np.ndarray, seq_len: int, stride: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, Questions]:
    """ids, offsets, labels and questions of windows of up to ``seq_len`` tokens over a run of them.

    Every token but the first is asked for once. Windows begin ``stride`` tokens apart (0: side by side); each asks
    for what those before it did not, so that with a stride every token but the first ``seq_len`` is predicted from
    ``seq_len`` − ``stride`` + 1 tokens or more.

    Raises:
        DataError: a stride below 0, or above ``seq_len``, which would leave tokens out.
    """
    if not 0 <= stride <= seq_len:
        raise DataError(f"stride must be from 0 (windows side by side) to the {seq_len} tokens of a window: {stride}")
    last, step = len(tokens) - 1, stride or seq_len
    starts, asked = [0], [0]
    while starts[-1] + seq_len < last:
        asked.append(starts[-1] + seq_len)
        starts.append(starts[-1] + step)
    ends = [min(start + seq_len, last) for start in starts]
    rows = [np.arange(first - start, end - start) for first, start, end in zip(asked, starts, ends, strict=True)]
    ids = np.concatenate([tokens[start:end] for start, end in zip(starts, ends, strict=True)])
    offsets = np.concatenate([[0], np.cumsum(np.subtract(ends, starts))]).astype(np.int64)
    return ids, offsets, tokens[1:].astype(np.int64), Questions.from_rows(rows)


def windows_of(split: RawSplit, name: str, seq_len: int, stride: int, tokenizer: Tokenizer | None = None) -> Windows:
    """The windows of a split's documents.

    Args:
        tokenizer: where it is at hand; else that of this name.

    Raises:
        DataError: as ``running_tokens``.
    """
    ids, offsets, labels, questions = windows(running_tokens(split, name, tokenizer), seq_len, stride)
    return Windows(ids, offsets, labels, questions, bytes_of(split.texts))


def bytes_of(texts: Sequence[str]) -> int:
    """In UTF-8."""
    return sum(len(text.encode()) for text in texts)
