"""Texts in, answers out: as one text at a time gives, in order, in bounded memory; and over the hub."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import swarmformer
from swarmformer import pipeline
from swarmformer.data.cut import Cut
from swarmformer.errors import DataError, SpecError
from swarmformer.hub import CompleteModel, save
from swarmformer.pipeline import TextClassifier
from tests.hub.models import CLASSES, complete_model
from tests.hub.stand_in import stand_in
from tests.reference import ReferenceSwarmFormer

TEXTS = ["a good film .", "", "bad " * 100, "good bad films", "🎬 " * 7, "eine gute Verfilmung", "a\0b", "film",
         "<br />", "good film a bad film . " * 4]  # fmt: skip


def alone(complete: CompleteModel, text: str) -> np.ndarray:
    """Of one text, unpadded, encoded by hand."""
    assert complete.text is not None
    tokens = complete.text.tokenizer.encode(text).ids
    ids = tokens if len(tokens) <= 32 else [*tokens[:31], tokens[-1]]
    with torch.no_grad():
        return complete.model(torch.tensor([ids]))[0].numpy()


@pytest.mark.parametrize("variant", ["base", "enhanced+positions", "bag_of_embeddings"])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_as_one_text_at_a_time(variant: str, batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "WINDOW", 4)
    complete = complete_model(variant)
    classify = TextClassifier(complete, precision="fp32")
    found = list(classify.logits(iter(TEXTS), batch_size=batch_size))
    for text, logits_K in zip(TEXTS, found, strict=True):
        np.testing.assert_allclose(logits_K, alone(complete, text), atol=2e-5, err_msg=text[:20])
    assert classify.truncated == 1


def test_published_weights_are_padded_as_published() -> None:
    """Their pads are tokens like others, so each text is padded to its own length of those that training used."""
    complete = complete_model("original", lengths=(16, 32))
    oracle = ReferenceSwarmFormer(15, 16, classes=3, cluster_size=4).eval()
    ours = dict(complete.model.state_dict())
    from swarmformer.hub.published import our_name

    oracle.load_state_dict({name: ours[our_name(name)] for name in oracle.state_dict()})
    found = list(TextClassifier(complete, precision="fp32").logits(TEXTS, batch_size=4))
    for text, logits_K in zip(TEXTS, found, strict=True):
        assert complete.text is not None
        tokens = complete.text.encode([text], [None]).ids.tolist()
        padded = tokens + [0] * ((16 if len(tokens) <= 16 else 32) - len(tokens))
        with torch.no_grad():
            np.testing.assert_allclose(logits_K, oracle(torch.tensor([padded]))[0].numpy(), atol=1e-5)


def test_answers_have_names_and_probabilities() -> None:
    classify = TextClassifier(complete_model("bag_of_embeddings"))
    answers = classify(TEXTS)
    logits = list(classify.logits(TEXTS))
    for answer, logits_K in zip(answers, logits, strict=True):
        assert answer.label == CLASSES[int(logits_K.argmax())]
        assert list(answer.probabilities) == list(CLASSES)
        expected = np.exp(logits_K - logits_K.max()) / np.exp(logits_K - logits_K.max()).sum()
        np.testing.assert_allclose(list(answer.probabilities.values()), expected, rtol=1e-5)
    assert len({answer.label for answer in answers}) > 1, "a test of names needs more than one"
    [film] = classify("film")
    assert film.probabilities == pytest.approx(answers[TEXTS.index("film")].probabilities)
    assert classify([]) == []


@pytest.mark.parametrize("where", ["head", "head_tail", "random"])
def test_texts_are_cut_as_in_training(where: str) -> None:
    cut = Cut(32, where, 0.25)
    classify = TextClassifier(complete_model(cut=cut))
    text = "a good bad film . " * 20
    ids_BN, mask_BN = classify.encode([text, "film"])
    whole = classify.tokenizer.encode(text).ids
    assert ids_BN[0].tolist() == cut.row(whole, text[:80], 1, 1).tolist()
    assert ids_BN.shape == (2, 32) and mask_BN.sum(dim=1).tolist() == [32, 3]
    assert classify.seq_len == 32 and classify.cut == cut


def test_endless_texts_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "WINDOW", 8)
    monkeypatch.setattr(pipeline, "WINDOW_CHARACTERS", 200)
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        for read in itertools.count(1):
            yield "a film" if read <= 8 else "bad " * 100

    answers = TextClassifier(complete_model()).answers(endless())
    next(answers)
    assert read == 8
    list(itertools.islice(answers, 8))
    assert read == 9, "a long text fills a window alone"


@pytest.mark.parametrize(
    ("texts", "words"),
    [(["a", 3], "text 1 .*is int '3', expected text"), (["a", None], "text 1 .*is NoneType"),
     (["a", b"b"], "text 1 .*is bytes"), (["a \ud83d b"], "text 0 .*half of a surrogate pair at character 2")],
)  # fmt: skip
def test_what_is_no_text_is_refused_with_its_place(texts: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        TextClassifier(complete_model())(texts)


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    from swarmformer.hub import save_model

    save_model(complete_model().model, tmp_path / "bare")
    with pytest.raises(SpecError, match=r"saved without a tokenizer: use swarmformer\.hub\.load_model"):
        swarmformer.load(tmp_path / "bare")
    with pytest.raises(SpecError, match="precision 'fp16': use auto, fp32 or bf16"):
        TextClassifier(complete_model(), precision="fp16")


def test_bf16_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, rounded = (TextClassifier(complete_model(), precision=word).logits(TEXTS) for word in ("fp32", "bf16"))
    np.testing.assert_allclose(np.stack(list(rounded)), np.stack(list(exact)), atol=0.03)


def test_pushed_and_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    classify = TextClassifier(complete_model())
    with stand_in(tmp_path / "there") as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        resolved = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", resolved)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        classify.push_to_hub("me/model", token="hf_none")
        fetched = swarmformer.load("me/model")
        with pytest.raises(SpecError, match="'me/other' is no local folder or file, and cannot be had from the hub"):
            swarmformer.load("me/other")
    assert {path.name for path in (tmp_path / "there" / "me" / "model").iterdir()} >= {
        "model.safetensors", "config.json", "tokenizer.json", "README.md"}  # fmt: skip
    assert fetched(TEXTS) == classify(TEXTS)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert swarmformer.load("me/model")(TEXTS) == classify(TEXTS), "gone from the network, still in the cache"


def test_saved_and_loaded_by_the_names_of_the_hub(tmp_path: Path) -> None:
    classify = TextClassifier(complete_model())
    classify.save_pretrained(tmp_path / "model")
    again = TextClassifier.from_pretrained(tmp_path / "model")
    assert again(TEXTS) == classify(TEXTS) and (tmp_path / "model" / "README.md").read_text() == "# A card\n"
    save(complete_model(), tmp_path / "run" / "model")
    assert swarmformer.load(tmp_path / "run").classes == CLASSES, "the folder of a run that kept its model"
