"""How a model reads texts: with the tokenizer, the cut and the lengths of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from swarmformer.data.cut import Cut
from swarmformer.data.encode import Tokens, encode_text, encode_vocabulary
from swarmformer.data.task import Task
from swarmformer.data.tokenizer import load_tokenizer, pad_id
from swarmformer.errors import SpecError
from swarmformer.hub.config import TextConfig
from swarmformer.spec import RunSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"
SHOWN = 80
"""Characters of a text that stand for its name."""


@dataclass(frozen=True)
class TextReader:
    """Texts → token ids.

    name: of the tokenizer, as the run called it. lengths: what texts are padded to, rising. words: texts are tokens of
    the vocabulary joined by spaces.
    """

    name: str
    tokenizer: Tokenizer
    cut: Cut
    lengths: tuple[int, ...]
    pad_id: int
    words: bool = False

    @classmethod
    def of_run(cls, spec: RunSpec, task: Task) -> TextReader:
        """As a run reads the texts of its task."""
        cut = Cut(spec.model.dims.seq_len, spec.data.cut, spec.data.cut_share)
        if task.vocabulary is not None:
            return cls("vocabulary", _word_level(task.vocabulary), cut, spec.padded_lengths, 0, words=True)
        tokenizer = load_tokenizer(spec.data.tokenizer)
        own_file = spec.data.tokenizer.endswith(".json")
        name = TOKENIZER if own_file else spec.data.tokenizer  # a path is of no use elsewhere, and may tell a name
        return cls(name, tokenizer, cut, spec.padded_lengths, pad_id(tokenizer, name))

    @classmethod
    def of_config(cls, config: TextConfig, file: Path) -> TextReader:
        """As it was saved.

        Raises:
            DataError: no tokenizer in the file.
        """
        cut = Cut(config.seq_len, config.cut, config.cut_share)
        tokenizer = read_any(file) if config.words else load_tokenizer(str(file))
        if max(config.lengths) < config.seq_len:
            raise SpecError(f"{file.parent}: texts of {config.seq_len} tokens do not fit lengths {config.lengths}")
        return cls(config.tokenizer, tokenizer, cut, config.lengths, config.pad_id, config.words)

    def config(self) -> TextConfig:
        """The inverse of ``of_config``."""
        return TextConfig(
            tokenizer=self.name, seq_len=self.cut.seq_len, cut=self.cut.where, cut_share=self.cut.share,
            lengths=self.lengths, pad_id=self.pad_id, words=self.words,
        )  # fmt: skip

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Tokens, index = id."""
        found = self.tokenizer.get_vocab()
        return tuple(sorted(found, key=lambda token: found[token]))

    def encode(self, texts: Sequence[str], names: Sequence[str | None]) -> Tokens:
        """Token ids, cut as in training.

        Args:
            names: of the examples, which errors tell and a random cut is drawn from; None: the text stands for it.

        Raises:
            DataError: a token that is not in the vocabulary of a model that reads ``words``.
        """
        known = [text[:SHOWN] if name is None else name for text, name in zip(texts, names, strict=True)]
        if self.words:
            return encode_vocabulary(texts, self.vocabulary, self.cut, known)
        return encode_text(texts, self.tokenizer, self.cut, known)


def _word_level(vocabulary: Sequence[str]) -> Tokenizer:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    tokenizer = Tokenizer(WordLevel({token: index for index, token in enumerate(vocabulary)}, unk_token=vocabulary[0]))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


def read_any(file: Path) -> Tokenizer:
    """The tokenizer in a file, whatever tokens it has.

    Raises:
        SpecError: there is none in it.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # `tokenizers` raises plain Exception
        raise SpecError(f"{file} is not a tokenizer file: {error}") from None
