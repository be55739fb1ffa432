from __future__ import annotations

import hashlib
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from swarmformer.data.cut import Cut, cut_text
from swarmformer.data.encode import encode_text
from swarmformer.data.task import RawSplit
from swarmformer.data.tokenizer import (
    load_tokenizer,
    special_ids,
    tokenizer_hash,
    train_bpe,
    train_wordpiece,
    vocab_size,
)
from swarmformer.errors import DataError
from tests.data.toy_tasks import WORDS
from tests.helpers import places_asked


def reference_wordpiece(text: str, vocabulary: list[str]) -> list[str]:
    """BERT's uncased tokenisation of Latin text, written from its description."""
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(char for char in text if unicodedata.category(char) != "Mn")
    spaced = "".join(f" {char} " if _is_punctuation(char) else char for char in text)
    return [piece for word in spaced.split() for piece in _longest_first(word, set(vocabulary))]


def _is_punctuation(char: str) -> bool:
    code = ord(char)
    ascii_sign = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_sign or unicodedata.category(char).startswith("P")


def _longest_first(word: str, vocabulary: set[str]) -> list[str]:
    pieces: list[str] = []
    while word:
        prefix = "##" if pieces else ""
        end = next((end for end in range(len(word), 0, -1) if prefix + word[:end] in vocabulary), 0)
        if not end:
            return ["[UNK]"]
        pieces.append(prefix + word[:end])
        word = word[end:]
    return pieces


def test_line_breaks_of_html_stay_in_the_text(vocabulary: Path) -> None:
    tokens = load_tokenizer("bert").encode("Good<br />FILMS, zzz").tokens
    assert tokens == ["[CLS]", "good", "<", "br", "/", ">", "film", "##s", "[UNK]", "[UNK]", "[SEP]"]


def test_truncation_keeps_the_closing_token_and_is_counted(vocabulary: Path) -> None:
    texts = ["a a a a a a", "a a", "a a a", ""]
    tokens = encode_text(texts, load_tokenizer("bert"), Cut(5), [str(n) for n in range(len(texts))])
    rows = [tokens.ids[a:b].tolist() for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)]
    assert rows == [[2, 5, 5, 5, 3], [2, 5, 5, 3], [2, 5, 5, 5, 3], [2, 3]]
    assert tokens.truncated == 1


def test_hash_and_size_are_those_of_the_vocabulary(vocabulary: Path) -> None:
    assert tokenizer_hash("bert") == hashlib.sha256(vocabulary.read_bytes()).hexdigest()
    assert vocab_size("bert") == len(WORDS)


def test_a_vocabulary_that_is_not_berts_is_refused(vocabulary: Path) -> None:
    vocabulary.write_text("[PAD]\n[UNK]\nfilm\n")
    with pytest.raises(DataError, match=r"lacks \[CLS\], \[SEP\], \[MASK\]"):
        load_tokenizer("bert")


def test_without_file_and_network_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    asked = places_asked(monkeypatch)
    with pytest.raises(DataError, match="Set SWARMFORMER_DATA"):
        load_tokenizer("bert")
    assert asked == []


def test_an_unknown_name_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither 'bert' nor 'bytes' nor the path"):
        load_tokenizer("brt")
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    with pytest.raises(DataError, match="not a tokenizer file"):
        load_tokenizer(str(broken))


def test_a_trained_tokenizer_is_frozen_in_its_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tokenizer.json"
    digest = train_wordpiece(["the seven swarms", "the SEVEN swarmers"] * 20, 60, path)
    assert digest == tokenizer_hash(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()
    tokenizer = load_tokenizer(str(path))
    assert vocab_size(str(path)) <= 60
    assert tokenizer.token_to_id("[PAD]") == 0
    assert tokenizer.encode("the seven").tokens == ["[CLS]", "the", "seven", "[SEP]"]


def test_a_tokenizer_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"new\.json: cannot be written \(.*\); name another place"):
        train_bpe(["a text"], 258, tmp_path / "file" / "new.json")


def any_text(rng: random.Random, length: int) -> str:
    """Characters of every plane and kind that UTF-8 has, surrogates left out."""
    ends = (0x80, 0x800, 0x10000, 0x110000)
    codes = [rng.randrange(rng.choice(ends)) for _ in range(length)]
    return "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)


def test_bytes_are_the_bytes_of_any_text_and_come_back_as_it() -> None:
    tokenizer, rng = load_tokenizer("bytes"), random.Random(0)
    said = ["", " ", "[SEP] [PAD][MASK]", "\r\n\t\0\x7f", "e\u0301 é", "\ufeffmark", "<0x0A>", "👩‍👩‍👧 Ġ"]
    for text in [*said, *(any_text(rng, rng.randrange(300)) for _ in range(200))]:
        ids = [5 + byte for byte in text.encode()]
        assert tokenizer.encode(text).ids == [2, *ids, 3]
        assert tokenizer.decode([2, *ids, 3, 0, 0, 4]) == text
    assert vocab_size("bytes") == 261 and special_ids(tokenizer) == [0, 2, 3, 4]


def test_bytes_saved_to_a_file_stay_bytes(tmp_path: Path) -> None:
    path, text = tmp_path / "tokenizer.json", "[CLS] naïve “x”\n"
    load_tokenizer("bytes").save(str(path))
    saved = load_tokenizer(str(path))
    assert saved.encode(text).ids == load_tokenizer("bytes").encode(text).ids
    assert saved.decode(saved.encode(text).ids) == text and special_ids(saved) == [0, 2, 3, 4]
    digest = "3a3189adeb2b2004ea1fa0803d4bb99970cc3a0f5fcb838a19e85523433b55c3"
    assert tokenizer_hash("bytes") == digest, "part of the key of encoded data: another is other data"


def test_bytes_are_cut_between_bytes_and_read_as_whole_characters() -> None:
    split = RawSplit(["aéb", "ab"], np.array([0, 1]), ["0", "1"])
    tokens = encode_text(split.texts, load_tokenizer("bytes"), Cut(4), split.ids)
    assert tokens.ids.tolist() == [2, 5 + 0x61, 5 + 0xC3, 3, 2, 5 + 0x61, 5 + 0x62, 3] and tokens.truncated == 1
    assert cut_text(split, Cut(4), load_tokenizer("bytes")).texts == ["aé", "ab"]


def test_real_vocabulary_agrees_with_a_plain_reference(real_data: Callable[[str], Path]) -> None:
    words = real_data("bert-base-uncased-vocab.txt").read_text().splitlines()
    text = "Naïve café!! I'd re-watch “Amélie” 10/10;<br /><br />unwatchableness isn't its $12.50 supercalifragilistic"
    encoding = load_tokenizer("bert").encode(text)
    assert encoding.tokens == ["[CLS]", *reference_wordpiece(text, words), "[SEP]"]
    assert encoding.ids == [words.index(token) for token in encoding.tokens]
    assert encoding.ids[0] == 101 and encoding.ids[-1] == 102
    assert vocab_size("bert") == 30_522
