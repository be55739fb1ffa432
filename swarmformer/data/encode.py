"""From texts to token ids, laid one after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from swarmformer.data.cut import CHUNK, Cut, around
from swarmformer.data.known_tokens import NONE, KnownTokens
from swarmformer.data.packed import Spool, offsets_of
from swarmformer.data.questions import Questions
from swarmformer.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True, eq=False)
class Tokens:
    """Token ids of some texts: text i is ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: np.ndarray
    offsets: np.ndarray
    truncated: int


def check_text(text: object, name: str) -> None:
    """Raise DataError, which calls it ``name``, where something is no text."""
    if not isinstance(text, str):
        raise DataError(f"{name} is {type(text).__name__} {str(text)[:40]!r}, expected text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{name} has half of a surrogate pair at character {error.start}: it was cut inside a "
                        "character, or is not UTF-8; mend it, or leave the character out") from None  # fmt: skip


def encode_text(
    texts: Sequence[str], tokenizer: Tokenizer, cut: Cut, names: Sequence[str], known: KnownTokens = NONE
) -> Tokens:
    """Encode ordinary text; longer texts are cut so that the special tokens around them stay. Texts that are ``known``
    were encoded before."""
    tokenizer.no_truncation()
    front, back = around(tokenizer)
    ids, lengths, truncated = Spool(np.int32), Spool(np.int64), 0
    for start in range(0, len(texts), CHUNK):
        whole = known.rows(texts[start : start + CHUNK], tokenizer)
        named = zip(whole, names[start : start + CHUNK], strict=True)
        rows = [cut.row(row, name, front, back) for row, name in named]
        truncated += sum(len(row) > cut.seq_len for row in whole)
        ids.add(np.concatenate(rows))
        lengths.add(np.array([len(row) for row in rows]))
    return Tokens(ids.array(), offsets_of(lengths.array()), truncated)


def encode_vocabulary(texts: Sequence[str], vocabulary: Sequence[str], cut: Cut, names: Sequence[str]) -> Tokens:
    """Encode texts that are tokens of ``vocabulary`` joined by spaces; nothing is added.

    Raises:
        DataError: an unknown token or an empty text, naming the example.
    """
    ids = {token: index for index, token in enumerate(vocabulary)}
    rows: list[np.ndarray] = []
    truncated = 0
    for text, name in zip(texts, names, strict=True):
        tokens = text.split()
        if not tokens:
            raise DataError(f"example {name!r} is empty")
        try:
            row = [ids[token] for token in tokens]
        except KeyError as error:
            raise DataError(f"example {name!r}: token {error} is not in the task's vocabulary") from None
        rows.append(cut.row(row, name))
        truncated += len(row) > cut.seq_len
    return _joined(rows, truncated)


def _joined(rows: Iterable[np.ndarray], truncated: int) -> Tokens:
    rows = list(rows)
    return Tokens(np.concatenate(rows), offsets_of([len(row) for row in rows]), truncated)


def check_asked(tokens: Tokens, questions: Questions, names: Sequence[str], seq_len: int) -> None:
    """Raise DataError, naming the example, where a question is at a token that is not (or no longer) there."""
    lengths = np.diff(tokens.offsets)
    beyond = np.flatnonzero(questions.positions >= lengths[questions.text])
    if not beyond.size:
        return
    row = int(questions.text[beyond[0]])
    raise DataError(
        f"example {names[row]!r} is asked at position {questions.positions[beyond[0]]} of {lengths[row]} tokens kept "
        f"({len(set(questions.text[beyond].tolist()))} such examples): nothing asked may be cut off; raise "
        f"model.dims.seq_len, now {seq_len}, or make shorter texts"
    )
