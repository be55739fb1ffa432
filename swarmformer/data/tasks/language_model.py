"""Plain text to predict token by token: Shakespeare, WikiText-2, or files of one's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from swarmformer.data.files import file_hash
from swarmformer.data.sources import check_limit
from swarmformer.data.task import RawSplit, Task
from swarmformer.errors import DataError, SpecError
from swarmformer.registry import register
from swarmformer.settings import DATA_VARIABLE, data_dir, expanded

SPLITTER = 1
"""Part of the identity: raise it when the same files come to give other splits or windows."""
SPLITS = ("train", "validation", "test")
Document = tuple[str, str]
"""Name and text."""
CORPORA = {
    "shakespeare": {"train": "tinyshakespeare/input.txt"},
    "wikitext2": {"train": "wikitext2/wiki.train.tokens", "validation": "wikitext2/wiki.valid.tokens",
                  "test": "wikitext2/wiki.test.tokens"},
}  # fmt: skip
"""By split, below ``SWARMFORMER_DATA``. Karpathy 2015 (char-rnn); Merity et al. 2017, as published, with <unk>."""


@register("task", "language_model")
class LanguageModel(Task):
    """Which token comes next? Asked at every token of plain text files (UTF-8), of which each is a document.

    Documents stand one after another with a token between them (``[EOS]``, ``[SEP]``, or the pad) that is predicted
    too. They are cut into windows of ``model.dims.seq_len`` tokens side by side; within a window a token is predicted
    from those before it, so that its first tokens have little to go by. With ``stride`` windows of validation and test
    overlap and are asked at their last tokens alone, which costs seq_len / stride times as much and tells more of the
    model and less of the cut. Each token is asked for once; neither depends on the batch. Needs a causal model
    that answers at tokens (variants ``transformer_lm``, ``lumenspark_lm``) and a tokenizer that gives the text back
    (``data.tokenizer: bytes``, or one trained by ``swarmformer tokenizer``).

    Args:
        corpus: ``shakespeare`` and ``wikitext2`` lie below ``SWARMFORMER_DATA``; ``own`` are the files named here.
        train, validation, test: a text file, or a folder whose ``*.txt`` files are read in the order of their names.
            What is not named is cut off the end of train, in order and at a line's end: no text is on both sides.
        validation_share, test_share: of the characters of train, for what is not named; test is the very end.
        stride: how far apart windows of validation and test begin; 0 for side by side.
        limit: characters of each split that are kept, from its beginning; 0 for all.
    """

    per_token = True
    next_token = True
    test_options = ({"limit": 2000},)

    def __init__(
        self,
        *,
        corpus: Literal["shakespeare", "wikitext2", "own"] = "shakespeare",
        train: str = "",
        validation: str = "",
        test: str = "",
        validation_share: float = 0.05,
        test_share: float = 0.05,
        stride: int = 0,
        limit: int = 0,
    ) -> None:
        named = {"train": train, "validation": validation, "test": test}
        if (corpus == "own") != bool(train) or (corpus != "own" and any(named.values())):
            raise SpecError("task language_model: with corpus own, data.task.train names a file or folder (validation "
                            "and test may); with another corpus none is named")  # fmt: skip
        self.corpus, self.named = corpus, {split: name for split, name in named.items() if name}
        self.shares = {"validation": validation_share, "test": test_share}
        cut_off = [share for split, share in self.shares.items() if split not in self._files]
        if any(share <= 0 for share in cut_off) or sum(cut_off) >= 1:
            raise SpecError(f"task language_model: validation_share ({validation_share}) and test_share ({test_share}) "
                            "must be positive, and leave something to train on")  # fmt: skip
        if stride < 0:
            raise SpecError(f"task language_model: stride must be 0 (windows side by side) or more, got {stride}")
        check_limit("language_model", limit)
        self.stride, self.limit = stride, limit

    @property
    def _files(self) -> dict[str, str]:
        """What is read, by split."""
        return self.named if self.corpus == "own" else CORPORA[self.corpus]

    @cached_property
    def paths(self) -> dict[str, list[Path]]:
        """The files of each split that has its own.

        Raises:
            DataError: nothing there.
        """
        if self.corpus == "own":
            return {split: _text_files(expanded(os.path.expandvars(name))) for split, name in self.named.items()}
        root = data_dir()
        missing = [name for name in self._files.values() if root is None or not (root / name).is_file()]
        if root is None or missing:
            raise DataError(
                f"task language_model: {self.corpus} needs {' and '.join(missing)} below the folder that "
                f"{DATA_VARIABLE} names (now {root or 'not set'}); or name text files of your own: "
                "data.task.corpus=own data.task.train=FILE"
            )
        return {split: [root / name] for split, name in self._files.items()}

    def identity(self) -> dict[str, Any]:
        files = {split: [file_hash(path) for path in paths] for split, paths in self.paths.items()}
        shares = {split: share for split, share in self.shares.items() if split not in files}
        return {"splitter": SPLITTER, "files": files, "shares": shares, "stride": self.stride, "limit": self.limit}

    def load(self) -> dict[str, RawSplit]:
        documents = {split: [(path.name, read_text(path)) for path in paths] for split, paths in self.paths.items()}
        shares = {split: share for split, share in self.shares.items() if split not in documents}
        documents["train"], *rest = cut_off(documents["train"], list(shares.values()))
        documents |= dict(zip(shares, rest, strict=True))
        return {name: self._split(name, documents[name]) for name in SPLITS}

    def _split(self, name: str, documents: Sequence[Document]) -> RawSplit:
        kept = limited(documents, self.limit) if self.limit else documents
        ids = [f"{name}/{number}/{file}" for number, (file, _) in enumerate(kept)]
        return RawSplit([text for _, text in kept], np.full(len(kept), -1, dtype=np.int64), ids)


def _text_files(place: Path) -> list[Path]:
    if place.is_dir():
        found = sorted(place.glob("*.txt"))
        if not found:
            raise DataError(f"task language_model: {place} has no *.txt files")
        return found
    if not place.is_file():
        raise DataError(f"task language_model: {place} not found (looked in {Path.cwd()})")
    return [place]


def read_text(path: Path) -> str:
    """A file's text, its line ends as they are.

    Raises:
        DataError: it is no UTF-8, or cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}: {error.reason}); save it as UTF-8") from error


def cut_off(documents: Sequence[Document], shares: Sequence[float]) -> list[list[Document]]:
    """Documents in ``len(shares)`` + 1 stretches, in order: the rest, then these shares of the characters, each cut
    after the end of a line where the document has one left.

    Raises:
        DataError: a stretch is empty.
    """
    total, kept = sum(len(text) for _, text in documents), 1 - sum(shares)
    parts: list[list[Document]] = []
    left = list(documents)
    for share in (kept, *shares[:-1]) if shares else ():
        taken, left = _take(left, round(share * total))
        parts.append(taken)
    parts.append(left)
    if not all(any(text for _, text in part) for part in parts):
        raise DataError("task language_model: cut at ends of lines, the text leaves a split empty: raise "
                        "data.task.validation_share and data.task.test_share, or give more text")  # fmt: skip
    return parts


def _take(documents: Sequence[Document], characters: int) -> tuple[list[Document], list[Document]]:
    """About so many characters from the beginning, up to the end of a line; and what is left."""
    taken: list[Document] = []
    for number, (name, text) in enumerate(documents):
        if len(text) <= characters:
            taken.append((name, text))
            characters -= len(text)
            continue
        end = text.find("\n", characters - 1) + 1 or characters if characters else 0
        parts = [(name, part) for part in (text[:end], text[end:])]
        return [*taken, *filter(_has_text, parts[:1])], [*filter(_has_text, parts[1:]), *documents[number + 1 :]]
    return taken, []


def _has_text(document: Document) -> bool:
    return bool(document[1])


def limited(documents: Sequence[Document], characters: int) -> list[Document]:
    """The documents up to so many characters."""
    kept: list[Document] = []
    for name, text in documents:
        if characters > 0:
            kept.append((name, text[:characters]))
        characters -= len(text)
    return kept
