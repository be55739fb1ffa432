"""Texts again with some words replaced by synonyms of WordNet."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from swarmformer.contracts.component import Probability
from swarmformer.contracts.text_augmentation import Added, TextAugmentation
from swarmformer.data.files import file_hash
from swarmformer.data.task import RawSplit
from swarmformer.errors import DataError
from swarmformer.registry import register
from swarmformer.settings import DATA_VARIABLE, data_dir, expanded

FILE = Path("wordnet") / "oewn_synonyms.tsv.gz"
COLUMNS = ["lemma", "pos", "sense", "synset", "synonyms"]
WORD = re.compile(r"<[^<>]*>|(?<!\w)(?<!\w['’-])[^\W\d_]{3,}(?:['’-][^\W\d_]+)*(?!['’-]?\w)")
"""A word of three letters or more, or a tag, which stays: to WordNet I is iodine, as is arsenic and br bromine. Not a
part of a word: of 100dollars, abc_good, A-list or O'Neil."""
READING = 2
"""Of texts by ``WORD``, part of the identity: raise it when it comes to take other words."""
ENDINGS = {
    "n": (("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"),
          ("ies", "y")),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}  # fmt: skip
"""Part of speech → endings of inflected words and those of their base forms (WordNet's own rules, morphy(7WN))."""
Senses = dict[tuple[str, str], list[tuple[str, ...]]]
"""(lemma in small letters, part of speech) → the synonyms of each sense that has some."""


@register("text_augmentation", "synonyms")
class Synonyms(TextAugmentation):
    """Some texts again with some of their words replaced by WordNet synonyms of any sense (Legg & Sturmanis 2025).

    Reads ``$SWARMFORMER_DATA/wordnet/oewn_synonyms.tsv.gz`` (Open English WordNet; the authors took Princeton's 3.0):
    tab-separated columns ``lemma``, ``pos`` (n, v, a, r), ``sense``, ``synset``, ``synonyms`` (separated by ``|``). A
    word is looked up in small letters, and where it is inflected, under its base form; irregular forms are not known.

    Options:
        p: probability that a text is taken.
        word_p: probability that one of its words is replaced, where it has a synonym.
        parts: parts of speech to look a word up as: n(oun), v(erb), a(djective), r (adverb).
        faults: as published: words are what stands between white space, so that one with a comma has no synonym, but
            "I" (iodine) and "as" (arsenic) have some; synonyms of several words are joined by underscores; an inflected
            or capital word may become its base form; a text in which nothing was replaced is added too. Else words of
            one or two letters and tags stay, and the case of the word is kept.
        file: another file of synonyms; "" for the one above.
    """

    def __init__(
        self, *, p: Probability = 0.3, word_p: Probability = 0.1,
        parts: Annotated[str, Field(pattern="^[nvar]+$")] = "nvar", faults: bool = False, file: str = "",
    ) -> None:  # fmt: skip
        self.p, self.word_p, self.parts, self.faults, self.file = p, word_p, parts, faults, file

    @property
    def path(self) -> Path:
        """The file of synonyms.

        Raises:
            DataError: it is not there.
        """
        root = data_dir()
        path = expanded(os.path.expandvars(self.file)) if self.file else root / FILE if root else None
        if path is None or not path.is_file():
            sought = f"{path} not found" if path else f"{DATA_VARIABLE} is not set"
            raise DataError(
                f"synonyms: {sought}. Put a file of synonyms at {FILE} below {DATA_VARIABLE}, name one with "
                "data.augment.synonyms.file, or leave synonyms out of data.augment"
            )
        return path

    def identity(self) -> dict[str, Any]:
        reading = {} if self.faults else {"reading": READING}  # what is published splits at white space
        return {"file": file_hash(self.path), **reading}

    def added(self, train: RawSplit, rng: np.random.Generator) -> Iterator[Added]:
        senses = read_senses(self.path, file_hash(self.path))
        for row in np.flatnonzero(rng.random(len(train)) < self.p).tolist():
            text = self._replaced(train.texts[row], senses, rng)
            if self.faults or text != train.texts[row]:
                yield Added(text, (row,))

    def _replaced(self, text: str, senses: Senses, rng: np.random.Generator) -> str:
        def another(word: str) -> str:
            if rng.random() >= self.word_p:
                return word
            found = list(self._candidates(word, senses))
            if not found:
                return word
            chosen = found[int(rng.integers(len(found)))]
            return chosen.replace(" ", "_") if self.faults else _in_case_of(word, chosen)

        if self.faults:
            return " ".join(another(word) for word in text.split())
        return WORD.sub(lambda match: match[0] if match[0].startswith("<") else another(match[0]), text)

    def _candidates(self, word: str, senses: Senses) -> Iterator[str]:
        """Synonyms of every sense: one of two senses is there twice, as in the published code."""
        for part in dict.fromkeys(self.parts):
            for base in base_forms(word.lower(), part):
                for synonyms in senses.get((base, part), ()):
                    yield from (name for name in synonyms if name.lower() != word.lower())
                    if self.faults and base != word:
                        yield base


def base_forms(word: str, part: str) -> list[str]:
    """The word, and what it may be an inflected form of."""
    shorter = [word.removesuffix(end) + base for end, base in ENDINGS[part] if word.endswith(end) and len(word) > 3]
    return list(dict.fromkeys([word, *shorter]))


def _in_case_of(word: str, synonym: str) -> str:
    if word.isupper() and len(word) > 1:
        return synonym.upper()
    return synonym[:1].upper() + synonym[1:] if word[:1].isupper() else synonym


@lru_cache(maxsize=2)
def read_senses(path: Path, content: str) -> Senses:
    """Read a file of synonyms, gzipped or plain; ``content`` is its hash, there to notice another one.

    Raises:
        DataError: it cannot be read, or has other columns than expected, naming the line.
    """
    try:
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a file of synonyms: {error}. Replace the file.") from error
    senses: Senses = {}
    for number, line in enumerate(lines, 1):
        values = line.split("\t")
        if len(values) != len(COLUMNS) or (number == 1 and values != COLUMNS):
            raise DataError(f"{path}, line {number}: expected the columns {', '.join(COLUMNS)}, tab-separated")
        lemma, part, _, _, synonyms = values
        if number > 1 and " " not in lemma:
            senses.setdefault((lemma.lower(), part), []).append(tuple(filter(None, synonyms.split("|"))))
    return senses
