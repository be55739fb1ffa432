"""Texts that stand in two splits, exactly or but for their writing: counted, and kept out of training."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from swarmformer.data.task import RawSplit, Task

NO_LETTERS = re.compile(r"[\W_]+")
PAIRS = (("train", "validation"), ("train", "test"), ("validation", "test"))


def normalised(text: str) -> str:
    """A text without what only its writing has: NFKC, small letters, one space for all that is no letter, no digit and
    no mark that belongs to a letter, as vowels of Indic scripts and of Thai do."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(NO_LETTERS.sub(" " if plain.isascii() else _marks, plain).split())


def _marks(found: re.Match[str]) -> str:
    return "".join(sign if unicodedata.category(sign).startswith("M") else " " for sign in found[0])


def exactly(text: str) -> str:
    """A text as it is, or "" where it is blank."""
    return text if text.strip() else ""


def written_by(task: Task) -> Callable[[str], str]:
    """What makes copies of a task's texts alike: in one with its own vocabulary every sign is a token."""
    return normalised if task.vocabulary is None else exactly


class HeldOut:
    """The texts of validation and test, to be told when they come up again. Empty texts are nobody's copies."""

    def __init__(self, splits: Mapping[str, RawSplit], task: Task) -> None:
        self.writing = written_by(task)
        self.known = {fingerprint(self.writing(text)) for name in ("validation", "test") for text in splits[name].texts}
        self.known.discard(EMPTY)

    def __contains__(self, text: str) -> bool:
        return fingerprint(self.writing(text)) in self.known


def shared_texts(splits: Mapping[str, RawSplit], task: Task) -> dict[str, Any]:
    """How the splits overlap: ``empty`` texts by split; ``shared``: "train in test" → how many texts of train also
    stand in test, exactly and after normalisation. Empty texts count as copies of nothing."""
    prints = {
        how: {name: fingerprints(split.texts, writing) for name, split in splits.items()}
        for how, writing in (("exact", exactly), ("normalised", written_by(task)))
    }
    shared = {}
    for first, second in PAIRS:
        counts = {}
        for how, of in prints.items():
            known = of[second][of[second] != EMPTY]
            counts[how] = int(np.isin(of[first], known).sum())
        shared[f"{first} in {second}"] = counts
    return {"empty": {name: sum(not text.strip() for text in split.texts) for name, split in splits.items()},
            "shared": shared}  # fmt: skip


def fingerprint(text: str) -> bytes:
    """16 bytes that tell texts apart."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def fingerprints(texts: Iterable[str], writing: Callable[[str], str] = str) -> np.ndarray:
    """Those of all texts as ``writing`` gives them, S16 [n]: the least that a million of them can take."""
    return np.fromiter((fingerprint(writing(text)) for text in texts), dtype="S16")


EMPTY = fingerprint("")
