"""The channel of n-grams against naive Bayes as scikit-learn has it, and the scale against leaving texts out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB

import swarmformer
from swarmformer import hub
from swarmformer.components.channel.naive_bayes import Counts, held_out_scores, log_count_ratios
from swarmformer.components.channel.ngrams import Ngrams, features_of
from swarmformer.contracts import Dims
from swarmformer.data.encoded import Split, TrainingTexts
from swarmformer.data.nb_svm import log_count_ratio
from swarmformer.errors import SpecError
from swarmformer.testing.training import passes, small_batch
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.optimisers.adamw import AdamW

V, PAD, CLS, SEP = 30, 0, 1, 2
SPECIAL = (PAD, CLS, SEP)
PLENTY = 2**20


def texts(classes: int, n: int = 60, seed: int = 0) -> TrainingTexts:
    """Random texts of 1 … 12 words between [CLS] and [SEP]."""
    rng = np.random.default_rng(seed)
    rows = [[CLS, *rng.integers(3, V, size=rng.integers(1, 13)), SEP] for _ in range(n)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    ids, names = np.concatenate(rows).astype(np.int32), np.array([f"train/{row}" for row in range(n)])
    return TrainingTexts(Split(ids, offsets, rng.integers(classes, size=n), names, 0), SPECIAL, mask_id=PAD)


def dims(classes: int) -> Dims:
    return Dims(vocab_size=V, d_model=4, num_layers=1, cluster_size=4, seq_len=16, num_classes=classes)


def channel(given: TrainingTexts, classes: int = 2, **options: Any) -> Ngrams:
    made = Ngrams(dims(classes), **{"buckets": PLENTY, "scale": 1.0, **options})
    made.fit(given)
    return made.eval()


def logits(made: torch.nn.Module, given: TrainingTexts) -> np.ndarray:
    """Of every text alone."""
    with torch.no_grad():
        rows = [torch.from_numpy(given.split.example(i).astype("int64"))[None] for i in range(len(given.split))]
        return torch.cat([made(row) for row in rows]).double().numpy()


def bag(given: TrainingTexts, longest: int) -> Any:
    """Which n-grams of words a text has, by scikit-learn."""
    words = [" ".join(map(str, given.split.example(i)[1:-1])) for i in range(len(given.split))]
    counter = CountVectorizer(ngram_range=(1, longest), binary=True, token_pattern=r"\S+", dtype=np.float64)
    return counter.fit_transform(words)


@pytest.mark.parametrize(("longest", "alpha"), [(1, 1.0), (2, 1.0), (3, 0.5)])
def test_two_classes_start_as_naive_bayes(longest: int, alpha: float) -> None:
    given = texts(2, n=60 // longest)  # so few n-grams share no bucket
    features, labels = bag(given, longest), given.split.labels
    made = channel(given, orders=longest, alpha=alpha)
    reference = MultinomialNB(alpha=alpha, fit_prior=False).fit(features, labels).predict_joint_log_proba(features)
    ours = logits(made, given) - made.bias_C.item() * np.array([-0.5, 0.5])
    assert np.allclose(ours[:, 1] - ours[:, 0], reference[:, 1] - reference[:, 0], atol=1e-4)
    assert made.bias_C.item() == pytest.approx(np.log((1 + labels.sum()) / (1 + (1 - labels).sum())))


def test_several_classes_start_as_each_against_the_rest() -> None:
    given = texts(4)
    features, labels = bag(given, 2), given.split.labels
    made = channel(given, classes=4)
    for k, column in enumerate((logits(made, given) - made.bias_C.detach().numpy()).T):
        assert np.allclose(column, features @ log_count_ratio(features, labels == k), atol=1e-4)


@pytest.mark.parametrize("min_texts", [1, 3, 30])
@pytest.mark.parametrize("classes", [2, 3])
def test_texts_are_held_out_one_by_one(classes: int, min_texts: int) -> None:
    """Counted anew without each, over the n-grams that enough of the others have; none has 30. Classes are uneven."""
    given = texts(classes, n=25)
    given.split.labels[9:] = 0
    features, labels = bag(given, 2).toarray(), given.split.labels
    made = channel(given, classes=classes)
    chunk = made._found_in(given, 0)
    counts = Counts.of(features_of([chunk], made.none), torch.from_numpy(labels), classes)
    [scores] = held_out_scores(counts, log_count_ratios(counts, 1.0, min_texts), [chunk], 1.0, min_texts)
    for column, k in enumerate([1] if classes == 2 else range(classes)):
        for row in range(len(labels)):
            others = np.arange(len(labels)) != row
            seen = features[others].sum(0) >= min_texts
            p, q = (1 + features[others & side][:, seen].sum(0) for side in (labels == k, labels != k))
            ratio = np.log(p / p.sum()) - np.log(q / q.sum())
            assert scores[row, column].item() == pytest.approx(features[row, seen] @ ratio, abs=1e-6)


def test_copies_that_an_augmentation_added_do_not_speak_for_a_text() -> None:
    """The scale is that of the texts themselves, here of labels by chance; the weights are of all of them."""
    given = texts(2, n=200)
    names = np.array([f"synonyms#{row}(train/{row})" for row in range(200)])
    doubled = replace(given, split=given.split.joined(replace(given.split, names=names)))
    (alone, alone_scaled), (whole, scaled) = (
        [channel(each, scale=scale, buckets=64).table_RC.detach() for scale in (1.0, 0.0)] for each in (given, doubled)
    )
    assert not torch.allclose(whole, alone), "twice the counts"
    torch.testing.assert_close(scaled, whole * float(alone_scaled.norm() / alone.norm()))
    assert given.without_added() is given and doubled.without_added().split.names.tolist() == given.split.names.tolist()


def test_the_scale_trusts_counts_as_far_as_they_predict() -> None:
    """Labels by chance: not at all. Labels by a word: far."""
    chance, told = texts(2, n=200), texts(2, n=200)
    told.split.labels[:] = [5 in told.split.example(row) for row in range(200)]
    sizes = [channel(given, scale=0.0).table_RC.abs().max().item() for given in (chance, told)]
    assert sizes[0] < 0.05 and sizes[1] > 0.5


def test_no_ngram_reaches_over_special_tokens_or_pads() -> None:
    made = channel(texts(2))
    ids = torch.tensor([[CLS, 5, 6, SEP, 7, 8, 9]])
    row_BM, counts_BM = made.found(ids, torch.tensor([[True] * 5 + [False, True]]))
    alone = [made.found(torch.tensor([pair]), None) for pair in ([5, 6], [7], [9])]
    expected = {int(row) for found in alone for row in found.row_BM[found.counts_BM]}
    assert set(row_BM[counts_BM].tolist()) == expected and len(expected) == 5


def test_an_ngram_counts_once_and_rare_ones_start_at_zero() -> None:
    given = texts(2)
    made = channel(given, min_texts=3)
    once, thrice = (made(torch.tensor([[CLS, *[5] * times, SEP]])) for times in (2, 3))
    assert torch.equal(once, thrice)
    features = bag(given, 2)
    assert int((made.table_RC != 0).sum()) == int((np.asarray(features.sum(0)) >= 3).sum())


def test_hashing_spreads_ngrams() -> None:
    """Buckets in use are as many as chance would have it: m (1 − e^(−n/m))."""
    made = Ngrams(dims(2).model_copy(update={"vocab_size": 400}), buckets=2**16)
    first, second = torch.meshgrid(torch.arange(300), torch.arange(300), indexing="ij")
    row_BM, counts_BM = made.found(torch.stack([first.flatten(), second.flatten()], dim=1), None)
    used = len(row_BM[counts_BM & (row_BM >= 400)].unique())
    assert used == pytest.approx(2**16 * (1 - np.exp(-90_000 / 2**16)), rel=0.02)


def test_dropout_leaves_out_ngrams_and_keeps_their_sum() -> None:
    made = channel(texts(2), dropout=0.5)
    ids = torch.tensor([[CLS, 5, 6, 7, SEP]]).expand(4000, 5)
    torch.manual_seed(0)
    with torch.no_grad():
        made.table_RC.normal_(std=0.1)
        whole, dropped = made(ids), made.train()(ids)
    assert len(dropped.unique(dim=0)) == 2**5, "three tokens and two pairs, each there or not"
    assert torch.allclose(dropped.mean(dim=0), whole[0], atol=0.01), "at a standard error of 0.002"


# Beside a model.

SMALL = {"vocab_size": V, "d_model": 8, "num_layers": 1, "cluster_size": 4, "seq_len": 16, "num_classes": 2}
BESIDE = {"name": "ngrams", "buckets": 64}


ANY = ("base", "original_small", "bag_of_embeddings", "cnn", "deep_averaging", "lumenspark", "transformer")


@pytest.mark.parametrize("variant", ANY)
def test_any_model_takes_it_and_starts_as_without(variant: str, tmp_path: Path) -> None:
    models = []
    for more in ({}, {"channel": BESIDE}):
        torch.manual_seed(3)
        models.append(swarmformer.build_model(variant, dims=SMALL, **more).eval())
    plain, beside = models
    given = texts(2)
    beside.fit(given)
    ids = torch.from_numpy(given.split.ids[:16].astype("int64"))[None]
    with torch.no_grad():
        assert torch.allclose(beside(ids), plain(ids) + beside.channel(ids), atol=1e-6)
    assert beside.channel.table_RC.abs().max() > 0
    assert beside.flops(1, 16) == plain.flops(1, 16)
    hub.save_model(beside, tmp_path)
    with torch.no_grad():
        assert torch.equal(hub.load_model(tmp_path)(ids), beside(ids))


def test_none_is_no_channel_and_changes_no_key() -> None:
    plain, none = (swarmformer.build_model("base", dims=SMALL, **more).spec for more in ({}, {"channel": "none"}))
    assert plain == none and "channel" not in plain.to_dict() and "channel" not in plain.key_content()
    beside = swarmformer.build_model("base", dims=SMALL, channel=BESIDE).spec
    assert beside.key_content()["channel"] == {"name": "ngrams", "options": {"buckets": 64}}
    assert type(beside).from_dict(beside.to_dict()) == beside
    with pytest.raises(SpecError, match=r"channel\.bucket: unknown option.*buckets"):
        swarmformer.build_model("base", dims=SMALL, channel={"name": "ngrams", "bucket": 3})
    with pytest.raises(SpecError, match="answers once per text, the model at tokens"):
        swarmformer.build_model("base", dims=SMALL, pooling="tokens", channel=BESIDE)


def test_its_weights_have_a_rate_of_their_own_and_no_decay() -> None:
    model = swarmformer.build_model("base", dims=SMALL, channel=BESIDE)
    optimiser = AdamW(lr=0.1, warmup=0.0, schedule="constant", channel_lr_factor=0.25, embedding_lr_factor=2.0)
    built = optimiser.build([model], torch.device("cpu"))
    optimiser.before_step(built, 0, 1)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in built.param_groups
        for parameter in group["params"]
    }
    assert rates["channel.table_RC"] == rates["channel.bias_C"] == (0.025, 0.0)
    assert rates["trunk.embedding.embed.weight"] == (0.2, 0.05) and rates["trunk.classifier.weight"] == (0.1, 0.05)


def test_apart_each_learns_as_if_it_were_alone_and_they_answer_together() -> None:
    given, objective = texts(2), CrossEntropy(dims(2), apart=True)
    models = {}
    for name, more in {"together": {"channel": BESIDE}, "trunk": {}, "channel": {"channel": BESIDE}}.items():
        torch.manual_seed(3)
        variant = "ngrams" if name == "channel" else "bag_of_embeddings"
        models[name] = swarmformer.build_model(variant, dims=SMALL, **more).train()
        models[name].fit(given)
    plain = small_batch()
    batch = replace(plain, ids_BN=plain.ids_BN % V, labels_M=plain.labels_M % 2)
    for name, model in models.items():
        torch.manual_seed(5)  # of dropout
        made = objective if name == "together" else CrossEntropy(dims(2))
        made.train().loss(passes(model), batch).total.backward()
    found = {name: parameter.grad for name, parameter in models["together"].named_parameters()}
    alone = {f"trunk.{name}": parameter.grad for name, parameter in models["trunk"].named_parameters()}
    alone |= {name: parameter.grad for name, parameter in models["channel"].named_parameters()}
    assert found.keys() == alone.keys()
    for name, gradient in alone.items():
        torch.testing.assert_close(found[name], gradient, msg=lambda said, name=name: f"{name}: {said}")
    evaluated = passes(models["together"].eval())
    answers = [made.eval().loss(evaluated, batch).total for made in (objective, CrossEntropy(dims(2)))]
    assert torch.equal(*answers), "of their common answers"
    with pytest.raises(SpecError, match="apart from its channel, and there is none"):
        objective.check_model(models["trunk"])
