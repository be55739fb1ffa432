"""Which tokens of a text that is too long are kept."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from swarmformer.data.task import RawSplit, Task
from swarmformer.data.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHUNK = 4096
"""Texts per call into the tokenizer: enough for its threads, few enough for memory."""
Where = Literal["head", "head_tail", "random"]


@dataclass(frozen=True)
class Cut:
    """Texts of more than ``seq_len`` tokens, special ones included, lose what ``where`` does not name.

    ``head`` keeps the beginning. ``head_tail`` keeps both ends, ``share`` of the room for the beginning (Sun et al.
    2019, section 5.3.1, keep 128 and 382 of 510 tokens, a quarter, and find it best of their cuts). ``random`` keeps
    one window of each text, drawn once from the name of the example: the same in every epoch and for every reader.
    Special tokens that the tokenizer puts around a text stay.
    """

    seq_len: int
    where: Where = "head"
    share: float = 0.25

    def identity(self) -> dict[str, Any]:
        """What of it determines the tokens; no more than the length where the beginning is kept."""
        own = {"cut": self.where, **({"share": self.share} if self.where == "head_tail" else {})}
        return {"seq_len": self.seq_len, **(own if self.where != "head" else {})}

    @property
    def words(self) -> str:
        return f"cut to {self.seq_len} tokens" + (f", {self.where}" if self.where != "head" else "")

    def spans(self, length: int, room: int, name: str) -> list[tuple[int, int]]:
        """The kept stretches [start, end) of ``length`` tokens, ``room`` tokens together, for example ``name``."""
        if length <= room:
            return [(0, length)]
        if self.where == "head_tail":
            head = round(self.share * room)
            both = [(0, head), (length - (room - head), length)]
            return [(start, end) for start, end in both if end > start]
        start = 0
        if self.where == "random":
            start = int(np.random.default_rng(zlib.crc32(name.encode())).integers(length - room + 1))
        return [(start, start + room)]

    def row(self, tokens: Sequence[int] | np.ndarray, name: str, front: int = 0, back: int = 0) -> np.ndarray:
        """Ids int32 that are kept of a text, the special tokens at its front and back always."""
        ids, length = np.asarray(tokens, dtype=np.int32), len(tokens) - front - back
        kept = self.spans(length, self.seq_len - front - back, name)
        middle = [ids[front + start : front + end] for start, end in kept]
        return np.concatenate([ids[:front], *middle, ids[len(ids) - back :]])


def around(tokenizer: Tokenizer) -> tuple[int, int]:
    """How many special tokens a tokenizer puts before a text, and after it."""
    mask = tokenizer.encode("a").special_tokens_mask
    inside = [place for place, special in enumerate(mask) if not special]
    return (inside[0], len(mask) - 1 - inside[-1]) if inside else (len(mask), 0)


def cut_split(split: RawSplit, cut: Cut, task: Task, tokenizer: str) -> RawSplit:
    """The split for a reader of text that shall see what the models see of it."""
    return cut_text(split, cut, load_tokenizer(tokenizer)) if task.vocabulary is None else cut_words(split, cut)


def cut_words(split: RawSplit, cut: Cut) -> RawSplit:
    """Of texts that are tokens joined by spaces, those that are kept."""
    rows = [text.split() for text in split.texts]
    named = zip(rows, split.ids, strict=True)
    kept = [[row[start:end] for start, end in cut.spans(len(row), cut.seq_len, name)] for row, name in named]
    return replace(split, texts=[" ".join(word for part in parts for word in part) for parts in kept])


def cut_text(split: RawSplit, cut: Cut, tokenizer: Tokenizer) -> RawSplit:
    """Of ordinary texts the characters of the tokens that are kept.

    Texts that are short enough stay as they are; between two stretches stands a space.
    """
    tokenizer.no_truncation()
    room = cut.seq_len - sum(around(tokenizer))
    texts: list[str] = []
    for start in range(0, len(split.texts), CHUNK):
        part, names = split.texts[start : start + CHUNK], split.ids[start : start + CHUNK]
        encoded = tokenizer.encode_batch(list(part), add_special_tokens=False)
        for text, name, encoding in zip(part, names, encoded, strict=True):
            spans, at = cut.spans(len(encoding.ids), room, name), encoding.offsets
            whole = len(encoding.ids) <= room
            texts.append(text if whole else " ".join(text[at[first][0] : at[end - 1][1]] for first, end in spans))
    return replace(split, texts=texts)
