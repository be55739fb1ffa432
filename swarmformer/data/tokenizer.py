"""Tokenizers: BERT's WordPiece, the bytes of the text, or one trained and frozen to a file.

A tokenizer is named ``bert``, ``bytes`` or by the path of a ``tokenizer.json``. Its identity is the hash of the
file behind it, because training one is not deterministic; ``bytes`` has no file and needs none.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from swarmformer.data.files import file_hash, json_hash
from swarmformer.errors import DataError
from swarmformer.records import write_bytes_atomically
from swarmformer.settings import DATA_VARIABLE, data_dir, expanded

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BERT = "bert"
BERT_VOCABULARY = "bert-base-uncased-vocab.txt"
BERT_REPOSITORY = "google-bert/bert-base-uncased"
UNKNOWN, MASK = "[UNK]", "[MASK]"
SPECIAL = ("[PAD]", UNKNOWN, "[CLS]", "[SEP]", MASK)
BYTES = "bytes"


def tokenizer_file(name: str) -> Path:
    """The file behind a tokenizer's name; BERT's vocabulary is fetched from the hub where it is not local.

    Raises:
        DataError: no such file, and for ``bert`` no network either.
    """
    if name == BERT:
        folder = data_dir()
        local = folder / BERT_VOCABULARY if folder else None
        return local if local and local.is_file() else _fetch_bert_vocabulary()
    path = expanded(name)
    if not path.is_file():
        raise DataError(f"tokenizer {name!r} is neither {BERT!r} nor {BYTES!r} nor the path of a tokenizer.json file")
    return path


def _fetch_bert_vocabulary() -> Path:
    """Path in the hub's cache; asks the network only where it is not there yet."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(BERT_REPOSITORY, "vocab.txt")
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(hf_hub_download(BERT_REPOSITORY, "vocab.txt", etag_timeout=5))
    except Exception as error:  # the hub's client fails in many ways; all mean the same here
        raise DataError(
            f"BERT's vocabulary is neither under {DATA_VARIABLE} (as {BERT_VOCABULARY}) nor to be had from "
            f"the hub ({type(error).__name__}). Set {DATA_VARIABLE} to the folder that holds it, name a "
            "tokenizer.json file, or connect to the network."
        ) from error


def tokenizer_hash(name: str) -> str:
    """SHA-256 of the file: the vocabulary for ``bert``, else the ``tokenizer.json``; ``bytes`` has one of its own."""
    return json_hash({BYTES: list(SPECIAL)}) if name == BYTES else file_hash(tokenizer_file(name))


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer, without truncation or padding.

    Raises:
        DataError: missing or malformed file, or one without ``[PAD]``.
    """
    from tokenizers import Tokenizer

    if name == BYTES:
        return _bytes()
    path = tokenizer_file(name)
    if name == BERT:
        return _bert(path)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # `tokenizers` raises plain Exception
        raise DataError(f"{path} is not a tokenizer file: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    pad_id(tokenizer, path)
    return tokenizer


def _bert(vocabulary: Path) -> Tokenizer:
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece

    words = vocabulary.read_text(encoding="utf-8").splitlines()
    ids = {word: index for index, word in enumerate(words)}
    missing = [token for token in SPECIAL if token not in ids]
    if missing or len(ids) != len(words):
        fault = f"lacks {', '.join(missing)}" if missing else "has a token twice"
        raise DataError(f"{vocabulary} is not BERT's vocabulary: it {fault}")
    return _assemble(Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100)))


def _bytes() -> Tokenizer:
    """The bytes of a text in UTF-8, one token each: byte b is id ``len(SPECIAL)`` + b, and nothing is unknown.

    The special tokens stand in the vocabulary without being declared to the library, which would find them in texts:
    a text that says "[SEP]" is five bytes.
    """
    from tokenizers import Tokenizer, decoders
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    ids = {token: index for index, token in enumerate((*SPECIAL, *_byte_signs()))}
    tokenizer = Tokenizer(BPE(ids, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    without_special = [decoders.Replace(token, "") for token in SPECIAL]
    tokenizer.decoder = decoders.Sequence([*without_special, decoders.ByteLevel()])
    return _with_ends(tokenizer)


def _byte_signs() -> list[str]:
    """The character that stands for each byte in GPT-2's vocabulary (Radford et al. 2019): itself where it can be seen,
    else the next free one from U+0100 on."""
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    later = iter(sign for sign in alphabet if ord(sign) > 255)
    return [chr(byte) if chr(byte) in alphabet else next(later) for byte in range(256)]


def _assemble(tokenizer: Tokenizer) -> Tokenizer:
    """Add BERT's lower-casing normaliser, its pre-tokeniser, and [CLS] … [SEP]."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    return _with_ends(tokenizer)


def _with_ends(tokenizer: Tokenizer) -> Tokenizer:
    """Put [CLS] before every text, and [SEP] after it."""
    from tokenizers.processors import TemplateProcessing

    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokenizer


def pad_id(tokenizer: Tokenizer, origin: str | Path) -> int:
    """Id of ``[PAD]``; DataError naming ``origin`` where there is none."""
    found = tokenizer.token_to_id("[PAD]")
    if found is None:
        raise DataError(f"tokenizer {origin} has no [PAD] token")
    return found


def special_ids(tokenizer: Tokenizer) -> list[int]:
    """Ids of what is no part of a text: pads, its ends, masks. An unknown word is one."""
    added = tokenizer.get_added_tokens_decoder()
    declared = {index for index, token in added.items() if token.special and token.content != UNKNOWN}
    known = [tokenizer.token_to_id(token) for token in SPECIAL if token != UNKNOWN]
    return sorted(declared.union(index for index in known if index is not None))


def vocab_size(name: str) -> int:
    """Rows that an embedding table needs: the largest token id + 1."""
    return _vocab_size(name, tokenizer_hash(name))


@cache
def _vocab_size(name: str, content: str) -> int:
    """Once for each content of a file: every arm of a grid asks for it."""
    return size_of(load_tokenizer(name))


def size_of(tokenizer: Tokenizer) -> int:
    return 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())


def train_wordpiece(texts: Iterable[str], vocab_size: int, path: Path) -> str:
    """Train a lower-cased WordPiece tokenizer, write it to ``path``, and return its hash.

    Training is not deterministic: two runs on the same texts may differ, so keep the file.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.trainers import WordPieceTrainer

    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(vocab_size=vocab_size, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return _save(_assemble(tokenizer), path)


def train_bpe(texts: Iterable[str], vocab_size: int, path: Path) -> str:
    """Train a byte-level BPE tokenizer (Sennrich et al. 2016; Radford et al. 2019), which gives every text back as it
    was; write it to ``path``, and return its hash. ``[PAD]`` and ``[EOS]`` are among its ``vocab_size`` tokens.

    Raises:
        DataError: so few texts, or so few tokens, that there are not as many; or the file cannot be written.
    """
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as Decoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(add_prefix_space=False), Decoder()
    trainer = BpeTrainer(
        vocab_size=vocab_size, special_tokens=["[PAD]", "[EOS]"], initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    if size_of(tokenizer) != vocab_size:
        raise DataError(f"the texts give {size_of(tokenizer)} tokens, not {vocab_size}: bytes and special tokens alone "
                        "are 258; ask for another number")  # fmt: skip
    return _save(tokenizer, path)


def _save(tokenizer: Tokenizer, path: Path) -> str:
    """Write a tokenizer, and return its hash.

    Raises:
        DataError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(path, tokenizer.to_str(pretty=True).encode())
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); name another place") from error
    return file_hash(path)
