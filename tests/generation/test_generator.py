"""Going on from a text: windows, caches, ends, and what is told while it is written."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import swarmformer
from swarmformer import cli, hub
from swarmformer.data.cut import Cut
from swarmformer.data.tokenizer import load_tokenizer
from swarmformer.errors import DataError, SpecError
from swarmformer.generation import TextGenerator
from swarmformer.hub import CompleteModel, TextReader

DIMS = {"vocab_size": 261, "num_classes": 261, "d_model": 16, "num_layers": 1, "seq_len": 16}
FIRST_BYTE = 5


def model(variant: str, scale: float = 0.3) -> Any:
    torch.manual_seed(0)
    made = swarmformer.build_model(variant, dims=DIMS, **({"k": 4} if variant.startswith("lumen") else {}))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)
    return made


def complete(made: Any) -> CompleteModel:
    return CompleteModel(made, (), TextReader("bytes", load_tokenizer("bytes"), Cut(16), (16,), 0))


@pytest.fixture(params=["transformer_lm", "lumenspark_lm"])
def generator(request: pytest.FixtureRequest) -> TextGenerator:
    return TextGenerator(complete(model(request.param)), "cpu")


class Told(TextGenerator):
    """Says given bytes, whatever it is asked: id by id, −1 for the end of the text."""

    def __init__(self, said: bytes | list[int]) -> None:
        super().__init__(complete(model("transformer_lm")), "cpu")
        self.said = [byte + FIRST_BYTE if byte >= 0 else self.boundary for byte in said]
        self.asked: list[list[int]] = []

    def _next(self, ids_N: Any, cache: Any) -> Any:
        self.asked.append(ids_N.tolist())
        logits = torch.full((261,), -torch.inf)
        logits[self.said[len(self.asked) - 1]] = 0
        return logits


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"seed": 3}, {"seed": 3, "top_k": 9, "repetition_penalty": 1.3}]
)
def test_with_and_without_a_cache_the_text_is_the_same_also_beyond_the_window(
    generator: TextGenerator, options: dict[str, Any]
) -> None:
    for prompt in ("", "é a", "a prompt that is longer than the window"):
        with_cache, without = (generator.generate(prompt, max_length=70, use_cache=cached, **options)
                               for cached in (True, False))  # fmt: skip
        assert with_cache == without and with_cache.startswith(prompt)


def test_greedy_text_is_the_likeliest_token_after_token(generator: TextGenerator) -> None:
    ids = [generator.boundary, *generator.tokenizer.encode("ab", add_special_tokens=False).ids]
    for _ in range(10):
        with torch.no_grad():
            logits = generator.model(torch.tensor([ids]))[0, -1]
        logits[[0, 1, 2, 4]] = -torch.inf
        ids.append(int(logits.argmax()))
    expected = generator.tokenizer.decode(ids[1:], skip_special_tokens=False)
    assert generator.boundary not in ids[1:] and generator.generate("ab", max_length=12, temperature=0) == expected


def test_a_seed_decides_the_text_and_no_seed_draws_anew(generator: TextGenerator) -> None:
    one, same, other = (generator.generate("a", max_length=40, seed=seed) for seed in (1, 1, 2))
    assert one == same != other
    assert generator.generate("a", max_length=40) != generator.generate("a", max_length=40)


def test_pieces_are_the_text_and_no_character_is_cut() -> None:
    said = "é👍 a".encode() + b"\xff" + b"x" + b"\xe2\x82"
    pieces = list(Told([*said]).stream("", max_length=len(said), temperature=0))
    assert "".join(pieces) == said.decode(errors="replace")
    assert pieces[:2] == ["é", "👍"]


def spaced(said: list[str]) -> TextGenerator:
    """Says words with a tokenizer of SentencePiece's kind: ▁ is the space before a word, and none at the start."""
    words = ["▁the", "▁cat", "▁sat", "s", "▁", ".", "<0xC3>", "<0xA9>"]
    vocabulary = {word: id for id, word in enumerate(["[PAD]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.Unigram([(word, -1.0) for word in vocabulary], unk_id=0, byte_fallback=True))
    tokenizer.add_special_tokens(["[PAD]", "[SEP]"])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    made = Told([])
    made.tokenizer, made.boundary = tokenizer, vocabulary["[SEP]"]
    made.said = [vocabulary[word] for word in said]
    return made


def test_the_space_before_a_word_is_written_after_a_prompt_and_not_before_a_text() -> None:
    for prompt, said, text in (
        ("the", ["▁cat", "▁sat", "."], "the cat sat."),
        ("the cat", ["s", "▁sat"], "the cats sat"),
        ("the ", ["▁cat"], "the  cat"),
        ("the é", ["▁cat", "<0xC3>", "<0xA9>"], "the é caté"),
        ("", ["▁the", "▁cat"], "the cat"),
    ):
        told = spaced(said)
        given = told.tokenizer.encode(prompt, add_special_tokens=False).ids
        assert told.generate(prompt, max_length=len(given) + len(said), temperature=0) == text
        pieces = "".join(spaced(said).stream(prompt, max_length=len(given) + len(said), temperature=0))
        assert prompt + pieces == told.tokenizer.decode([*given, *told.said], skip_special_tokens=False)


def test_it_ends_with_the_document_and_with_the_length() -> None:
    assert Told([*b"abc", -1, *b"def"]).generate("X", max_length=50, temperature=0) == "Xabc"
    assert Told(b"abcdef").generate("XY", max_length=5, temperature=0) == "XYabc", "the prompt counts"
    with pytest.raises(SpecError, match="the prompt has 3 tokens and max_length is 3"):
        Told(b"a").stream("XYZ", max_length=3)


def test_it_ends_before_a_stop_however_it_is_cut_into_tokens() -> None:
    def pieces(said: bytes, *stop: str) -> list[str]:
        return list(Told(said).stream("stop", max_length=4 + len(said), temperature=0, stop=stop))

    assert pieces(b"ab STOP cd", "STOP") == ["a", "b", " "], "the prompt is no place to stop"
    assert "".join(pieces(b"ab STO cd", "STOP")) == "ab STO cd"
    assert "".join(pieces(b"a\n\nb", "\n\n", "zz")) == "a"
    assert "".join(pieces("aé|b".encode(), "é|")) == "a"
    assert "".join(pieces(b"ab ST", "STOP")) == "ab ST", "what only began as a stop is told at the end"
    with pytest.raises(SpecError, match="an empty text stands everywhere"):
        pieces(b"a", "")


def test_a_full_window_begins_anew_with_its_second_half() -> None:
    told = Told([*range(97, 97 + 26)])
    told.generate("", max_length=26, temperature=0)
    text = [told.boundary, *range(97 + FIRST_BYTE, 97 + 26 + FIRST_BYTE)]
    lengths = [len(ids) for ids in told.asked]
    assert lengths == [*range(1, 17), *range(8, 17), 8]
    assert all(ids == text[end - len(ids) : end] for end, ids in enumerate(told.asked, 1))


def test_special_tokens_are_never_written(generator: TextGenerator) -> None:
    with torch.no_grad():
        generator.model.classifier.bias[:5] += 100
        generator.model.classifier.bias[generator.boundary] -= 1000
    text = generator.generate("", max_length=60, seed=0)
    assert len(generator.tokenizer.encode(text, add_special_tokens=False).ids) >= 20 and "[" not in text[:1]


def test_what_cannot_be_scored_is_refused(generator: TextGenerator) -> None:
    with pytest.raises(DataError, match="no texts to score"):
        generator.score([])
    with pytest.raises(DataError, match="none but empty ones"):
        generator.score(["", ""])
    with pytest.raises(DataError, match="stride must be from 0"):
        generator.score(["a text"], stride=-5)


def test_a_prompt_that_is_no_text_and_a_seed_that_torch_does_not_take_are_refused(generator: TextGenerator) -> None:
    with pytest.raises(DataError, match="the prompt has half of a surrogate pair at character 1"):
        generator.generate("a\udcff")  # how Python has a byte of a command line that is not UTF-8
    for seed in (10**20, -(1 << 63) - 1):
        with pytest.raises(SpecError, match=f"seed must be from -9223372036854775808 to .*: {seed}"):
            generator.generate("a", seed=seed)
    assert generator.generate("a", seed=(1 << 64) - 1, max_length=2)


def test_standard_input_that_is_not_utf_8_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.save(complete(model("transformer_lm")), tmp_path / "model")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\xff"), "utf-8"))
    assert cli.main(["generate", str(tmp_path / "model"), "-"]) == 1
    assert "error: standard input is not utf-8 (invalid start byte at byte 1): save it" in capsys.readouterr().err


def test_a_model_of_another_task_is_refused() -> None:
    for variant in ("base", "transformer"):
        with pytest.raises(SpecError, match="tells no next token"):
            TextGenerator(complete(swarmformer.build_model(variant, dims={"d_model": 16, "vocab_size": 261})))
    with pytest.raises(SpecError, match=r"no tokenizer\.json beside it"):
        TextGenerator(CompleteModel(model("transformer_lm"), ()))


def test_it_is_saved_and_loaded_whole(generator: TextGenerator, tmp_path: Any) -> None:
    generator.save_pretrained(tmp_path)
    for loaded in (swarmformer.load(tmp_path), TextGenerator.from_pretrained(tmp_path)):
        assert isinstance(loaded, TextGenerator) and loaded.boundary == generator.boundary
        options: dict[str, Any] = {"max_length": 40, "seed": 5, "top_k": 20}
        assert loaded.generate("é ", **options) == generator.generate("é ", **options)
    with pytest.raises(SpecError, match="precision 'bf16': a language model is asked in fp32"):
        swarmformer.load(tmp_path, precision="bf16")


def test_the_command_line_passes_on_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, Any] = {}

    def stream(self: TextGenerator, prompt: str, **options: Any) -> Iterator[str]:
        told.update(options)
        yield from ("b", "c")

    monkeypatch.setattr(TextGenerator, "stream", stream)
    hub.save(complete(model("transformer_lm")), tmp_path / "model")
    words = ["--max-length", "7", "--temperature", "0.5", "--top-k", "3", "--top-p", "0.9"]
    words += ["--repetition-penalty", "1.2", "--stop", "x", "--stop", "yz", "--no-cache", "--seed", "4"]
    assert cli.main(["generate", str(tmp_path / "model"), "a", *words]) == 0
    assert capsys.readouterr().out == "abc\n"
    assert told == {
        "max_length": 7, "temperature": 0.5, "top_k": 3, "top_p": 0.9, "repetition_penalty": 1.2, "stop": ["x", "yz"],
        "use_cache": False, "seed": 4,
    }  # fmt: skip
