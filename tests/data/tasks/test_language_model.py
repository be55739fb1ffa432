"""Plain text files as splits of documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swarmformer.data.encoding import load_encoded
from swarmformer.data.split import load_splits
from swarmformer.data.tasks.language_model import LanguageModel
from swarmformer.errors import DataError, SpecError
from swarmformer.rehearsal import rehearse
from swarmformer.variants import resolve_run
from tests.helpers import assert_loads_soundly

DRAW: dict[str, Any] = {"validation_fraction": 0.1, "split_seed": 0}
LINES = "".join(f"{number} " + "words " * (number % 5) + "é\r\n" for number in range(60))


@pytest.fixture
def one(tmp_path: Path) -> str:
    (tmp_path / "one.txt").write_bytes(LINES.encode())
    return str(tmp_path / "one.txt")


def test_the_kit_passes_ones_own_text(one: str) -> None:
    assert_loads_soundly(LanguageModel, corpus="own", train=one, stride=8)


def test_the_kit_passes_wikitext2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMFORMER_DATA", str(tmp_path))
    (tmp_path / "wikitext2").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / "wikitext2" / f"wiki.{split}.tokens").write_text(f" = {split} = \n one <unk> two \n" * 20)
    assert_loads_soundly(LanguageModel, corpus="wikitext2")


def test_shares_are_cut_off_the_end_in_order_at_line_ends(one: str) -> None:
    splits = load_splits(LanguageModel(corpus="own", train=one, validation_share=0.2, test_share=0.1), **DRAW)
    texts = [splits[name].texts for name in ("train", "validation", "test")]
    assert "".join(part for (part,) in texts) == LINES, "nothing twice, nothing lost, line ends as they are"
    assert all(part.endswith("\n") for (part,) in texts)
    shares = [len(part) / len(LINES) for (part,) in texts]
    np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=25 / len(LINES))


def test_a_folder_is_a_document_a_file_and_own_splits_are_kept(tmp_path: Path, one: str) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in "bac":
        (folder / f"{name}.txt").write_text(f"{name} one\n{name} two\n" * 20)
    task = LanguageModel(corpus="own", train=str(folder), test=one, validation_share=0.25)
    splits = load_splits(task, **DRAW)
    assert [name.split("/")[-1] for name in splits["train"].ids] == ["a.txt", "b.txt", "c.txt"]
    assert [name.split("/")[-1] for name in splits["validation"].ids] == ["c.txt"]
    assert splits["test"].texts == [LINES]
    assert "".join([*splits["train"].texts, *splits["validation"].texts]).count("two") == 60
    with pytest.raises(DataError, match=r"data\.split_seed: run"):
        load_splits(task, redrawn=True, **DRAW)


def test_windows_are_encoded_with_the_bytes_of_the_text(one: str, cache: Path) -> None:
    task = LanguageModel(corpus="own", train=one, stride=8, test_share=0.3)
    data = load_encoded(task, tokenizer="bytes", seq_len=32, **DRAW)
    assert data.num_classes == data.vocab_size == 261
    splits = load_splits(task, **DRAW)
    for name, split in data.splits.items():
        (text,) = splits[name].texts
        assert split.text_bytes == len(text.encode()) and len(split.labels) == split.text_bytes + 1
        assert split.lengths.max() == 32
    train, test = data.splits["train"].questions, data.splits["test"].questions
    assert train is not None and test is not None
    assert np.diff(train.offsets)[:-1].tolist() == [32] * (len(train) - 1), "training windows lie side by side"
    assert set(np.diff(test.offsets)[1:-1].tolist()) == {8}


def test_identity_follows_content_and_cut_not_places(tmp_path: Path, one: str) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_bytes(Path(one).read_bytes())
    mine = LanguageModel(corpus="own", train=one)
    assert mine.identity() == LanguageModel(corpus="own", train=str(copy)).identity()
    for other in ({"stride": 8}, {"test_share": 0.1}, {"limit": 100}, {"test": one}):
        assert LanguageModel(corpus="own", train=one, **other).identity() != mine.identity()  # type: ignore[arg-type]


def test_a_limit_keeps_the_beginning_of_each_split(one: str) -> None:
    whole, some = (LanguageModel(corpus="own", train=one, limit=limit).load() for limit in (0, 50))
    assert {name: split.texts for name, split in some.items()} == {
        name: [split.texts[0][:50]] for name, split in whole.items()
    }
    assert len(some) == 3


@pytest.mark.parametrize(("options", "words"), [
    ({"corpus": "own"}, "data.task.train names a file"),
    ({"train": "x.txt"}, "with another corpus none is named"),
    ({"stride": -1}, "stride must be 0"),
    ({"limit": -1}, "limit must be 0"),
    ({"validation_share": 0.6, "test_share": 0.5}, "leave something to train on"),
    ({"test_share": 0.0}, "must be positive"),
])  # fmt: skip
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        LanguageModel(**options)


def test_bad_files_are_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(content: bytes) -> None:
        (tmp_path / "bad.txt").write_bytes(content)
        LanguageModel(corpus="own", train=str(tmp_path / "bad.txt")).load()

    with pytest.raises(DataError, match=r"bad\.txt is not UTF-8 \(byte 2: .*save it as UTF-8"):
        load(b"ab\xff\xfe")
    with pytest.raises(DataError, match="leaves a split empty: raise"):
        load(b"a")
    with pytest.raises(DataError, match=r"has no \*\.txt files"):
        (tmp_path / "empty").mkdir()
        LanguageModel(corpus="own", train=str(tmp_path / "empty")).load()
    with pytest.raises(DataError, match=r"gone\.txt not found"):
        LanguageModel(corpus="own", train="gone.txt").identity()
    monkeypatch.delenv("SWARMFORMER_DATA", raising=False)
    with pytest.raises(DataError, match=r"needs tinyshakespeare/input\.txt below .*data\.task\.corpus=own"):
        LanguageModel().identity()


@pytest.mark.parametrize(("variant", "words"), [
    ("transformer", "set model.pooling: tokens"),
    ("lumenspark_published", "set model.pooling: tokens"),
])  # fmt: skip
def test_models_that_answer_once_per_text_are_refused(one: str, variant: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        rehearse(run(variant, one))


def run(variant: str, one: str, **model: Any) -> Any:
    patch = {"data": {"task": {"name": "language_model", "corpus": "own", "train": one}, "tokenizer": "bytes"},
             "model": {"dims": {"d_model": 16, "num_layers": 1, "seq_len": 32}, **model}}  # fmt: skip
    return resolve_run(variant, [(patch, "test")])


def test_models_that_see_the_answer_are_refused_but_for_the_published_fault(one: str) -> None:
    with pytest.raises(SpecError, match=r"sees the tokens .* set model\.causal: true"):
        rehearse(run("transformer", one, pooling="tokens"))
    with pytest.raises(SpecError, match="choose a causal one, as transformer_lm"):
        rehearse(run("base", one, pooling="tokens"))
    for variant in ("transformer_lm", "lumenspark_lm"):
        assert rehearse(run(variant, one)).causal
    published = rehearse(run("lumenspark_published", one, pooling="tokens"))
    assert published.foresees and "sees the tokens that it predicts" in published.remarks()[0]


def test_texts_are_not_augmented(one: str) -> None:
    patch = {"data": {"task": {"name": "language_model", "corpus": "own", "train": one}, "tokenizer": "bytes",
                      "augment": {"sentence_shuffle": {}}}}  # fmt: skip
    with pytest.raises(SpecError, match=r"predicts running text.* leave data\.augment out"):
        resolve_run("transformer_lm", [(patch, "test")])
