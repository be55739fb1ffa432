"""Masked-token prediction against its definition; the stage, its texts, and what refuses it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from swarmformer.data.batching import Batch, Batches
from swarmformer.data.encoded import EncodedData, TrainingTexts, Unlabelled
from swarmformer.errors import SpecError
from swarmformer.rehearsal import rehearse
from swarmformer.spec import RunSpec, TrainSpec
from swarmformer.testing.case import DIMS
from swarmformer.testing.training import passes, small_batch, small_model
from swarmformer.training.evaluate import objective_loss
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.masked_tokens import MaskedTokens
from tests.training.runs import CPU, StopError, assert_same_run, curve, stop_at
from tests.training.toys import split, token_data, toy_data, toy_run

V = DIMS.vocab_size
MASK, SPECIAL = 3, (0, 1, 2, 3)
SLOW = partial(pytest.param, marks=pytest.mark.slow)
PRETRAIN = {"name": "masked_tokens", "epochs": 2, "share": 0.3, "lr": 0.01}


def fitted(**options: Any) -> MaskedTokens:
    torch.manual_seed(0)
    objective = MaskedTokens(DIMS, **options)
    objective.fit(TrainingTexts(toy_data().splits["train"], SPECIAL, MASK))
    return objective


def test_the_loss_is_that_of_its_definition() -> None:
    """Text by text, token by token, with the head written out."""
    objective, model, batch = fitted().eval(), small_model().eval(), small_batch()
    chosen_BN = objective._chosen(batch)
    with torch.no_grad():
        states_BND = model.detailed(batch.ids_BN.masked_fill(chosen_BN, MASK), batch.mask_BN).states_BND
        assert states_BND is not None
        means = []
        linear, _, norm = objective.transform
        for states_ND, ids_N, chosen_N in zip(states_BND, batch.ids_BN, chosen_BN, strict=True):
            told = [
                math.log(sum(math.exp(score) for score in scores)) - scores[token]
                for scores, token in (
                    ((model.embedding.embed.weight @ norm(F.gelu(linear(state))) + objective.bias_V).tolist(), token)
                    for state, token, is_chosen in zip(states_ND, ids_N.tolist(), chosen_N, strict=True)
                    if is_chosen
                )
            ]
            means.append(sum(told) / len(told) if told else 0.0)
    assert objective.loss(passes(model), batch).total.item() == pytest.approx(sum(means) / len(means), rel=1e-4)


def many(B: int = 300, N: int = 40) -> Batch:
    generator = torch.Generator().manual_seed(1)
    ids_BN = torch.randint(4, V, (B, N), generator=generator)
    ids_BN[:, 0], ids_BN[:, -1] = 1, 2
    mask_BN = torch.arange(N) < torch.randint(2, N + 1, (B, 1), generator=generator)
    return Batch(ids_BN.masked_fill(~mask_BN, 0), mask_BN, torch.zeros(B, dtype=torch.int64), torch.arange(B))


@pytest.mark.parametrize("training", [True, False])
def test_a_share_of_the_tokens_of_every_text_is_chosen(training: bool) -> None:
    objective, batch = fitted().train(training), many()
    chosen_BN = objective._chosen(batch)
    may_BN = batch.mask_BN & (batch.ids_BN > 3)
    assert not chosen_BN[~may_BN].any()
    for count, free in zip(chosen_BN.sum(1).tolist(), may_BN.sum(1).tolist(), strict=True):
        assert count == min(free, max(1, round(0.15 * free)))
    by_place = chosen_BN.float().sum(0)[1:10] / may_BN.float().sum(0)[1:10]
    assert (by_place - 0.17).abs().max() < 0.1, "every place alike"


def test_what_is_chosen_is_hidden_replaced_or_kept() -> None:
    objective, batch = fitted().train(), many(3000)
    chosen_BN = objective._chosen(batch)
    seen_BN = objective._hidden(batch, chosen_BN)
    assert torch.equal(seen_BN[~chosen_BN], batch.ids_BN[~chosen_BN])
    truth, seen = batch.ids_BN[chosen_BN], seen_BN[chosen_BN]
    shares = [(seen == MASK).float().mean(), ((seen != MASK) & (seen != truth)).float().mean()]
    spread = 3.5 / math.sqrt(len(seen))
    assert shares[0].item() == pytest.approx(0.8 + 0.1 / V, abs=0.4 * spread)
    assert shares[1].item() == pytest.approx(0.1 * (1 - 2 / V), abs=0.3 * spread)
    others = torch.bincount(seen[(seen != MASK) & (seen != truth)], minlength=V)
    assert (others > 0).sum() == V - 1, "any token may stand there"
    assert torch.equal(objective.eval()._hidden(batch, chosen_BN)[chosen_BN], torch.full_like(truth, MASK))


def test_evaluation_chooses_alike_whatever_is_beside_a_text() -> None:
    objective, batch = fitted().eval(), many()
    whole = objective._chosen(batch)
    longer = replace(batch, ids_BN=F.pad(batch.ids_BN, (0, 5)), mask_BN=F.pad(batch.mask_BN, (0, 5)))
    assert torch.equal(objective._chosen(longer)[:, :-5], whole) and not objective._chosen(longer)[:, -5:].any()
    alone = replace(batch, ids_BN=batch.ids_BN[7:8], mask_BN=batch.mask_BN[7:8])
    assert torch.equal(objective._chosen(alone), whole[7:8])


def test_the_head_starts_from_the_frequencies_of_the_texts() -> None:
    texts = toy_data().splits["train"]
    counts = np.array([1 + (texts.ids == token).sum() * (token not in SPECIAL) for token in range(V)])
    assert torch.allclose(fitted().bias_V, torch.tensor(np.log(counts / counts.sum()), dtype=torch.float32))


def test_candidates_stand_for_the_whole_vocabulary() -> None:
    """The mean of the estimated denominators is the denominator."""
    objective = fitted(candidates=12).train()
    h_MD, truth_M = torch.randn(5, DIMS.d_model), torch.tensor([4, 5, 11, 30, 39])
    table_VD = torch.randn(V, DIMS.d_model) * 0.3
    with torch.no_grad():
        true_M = (F.linear(h_MD, table_VD, objective.bias_V)).gather(1, truth_M[:, None])[:, 0]
        draws = torch.stack([(objective._losses(h_MD, truth_M, table_VD) + true_M).exp() for _ in range(3000)])
        whole = (objective.eval()._losses(h_MD, truth_M, table_VD) + true_M).exp()
    error = draws.std(dim=0) / math.sqrt(len(draws))
    assert ((draws.mean(dim=0) - whole).abs() < 4 * error).all()
    assert (draws.std(dim=0) > 0).all()


def test_the_head_is_tied_to_the_token_vectors_or_has_its_own() -> None:
    for tied in (True, False):
        objective, model = fitted(tied=tied).train(), small_model().train()
        objective.loss(passes(model), small_batch()).total.backward()
        touched = model.embedding.embed.weight.grad.abs().sum(dim=1) > 0
        assert bool(touched.all()) == tied
        assert ("table.weight" in dict(objective.named_parameters())) != tied


# The stage.


def unlabelled(n: int = 32) -> EncodedData:
    part = split("unlabelled", n, 9)
    hidden = replace(part, labels=np.full(n, -1, dtype=np.int64))
    return replace(toy_data(), special=(0,), unlabelled=Unlabelled(hidden, copies=3, key="more"))


@pytest.mark.parametrize("texts", [*map(SLOW, ("train", "unlabelled")), "train+unlabelled"])
def test_a_run_stopped_amid_pretraining_ends_as_one_that_was_never_stopped(tmp_path: Path, texts: str) -> None:
    """Beside a channel of n-grams, which is told of the training texts at every start."""
    beside = {"channel": {"name": "ngrams", "buckets": 64}}
    spec = toy_run(stages=[{**PRETRAIN, "texts": texts}, "supervised"], checkpoint_seconds=0.0, model=beside, epochs=1)
    data = unlabelled()
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    whole = Trainer(spec, data, CPU, tmp_path / "whole").run()
    steps = {"train": 5, "unlabelled": 4, "train+unlabelled": 9}[texts]
    assert whole.steps == 2 * steps + 5
    for step in (3, steps, 2 * steps, 2 * steps + 2):
        with pytest.raises(StopError):
            Trainer(spec, data, CPU, tmp_path / "stopped", stop_at(step)).run()
        torch.manual_seed(12345)
    resumed = Trainer(spec, data, CPU, tmp_path / "stopped").run()
    assert_same_run(tmp_path / "whole", tmp_path / "stopped", spec, data_key="toy+more")
    assert torch.equal(whole.test_logits_NK, resumed.test_logits_NK)


def test_what_word_dropout_writes_in_the_place_of_tokens_is_not_asked_for(tmp_path: Path) -> None:
    stand_in = 7
    spec = toy_run(
        stages=[PRETRAIN, "supervised"], augmentation={"name": "word_dropout", "rate": 0.5, "replace_by": stand_in}
    )
    stage = Trainer(spec, toy_data(), CPU, tmp_path).stages[0]
    objective = stage.ingredients.objective
    assert isinstance(objective, MaskedTokens)
    for batch in stage.augmented(0, 0):
        asked_BN = objective._chosen(batch)
        assert asked_BN.any() and (batch.ids_BN == stand_in).any()
        assert not (batch.ids_BN[asked_BN] == stand_in).any()


@pytest.mark.parametrize("variant", ["base", *map(SLOW, ("transformer", "lumenspark"))])
def test_pretraining_learns_what_texts_are_like(variant: str, tmp_path: Path) -> None:
    stages = [{**PRETRAIN, "epochs": 8, "batch_size": 16}, {"name": "supervised", "epochs": 1}]
    Trainer(toy_run(variant, stages=stages), toy_data(160), CPU, tmp_path).run()
    losses = [float(str(line["loss"])) for line in curve(tmp_path) if line["kind"] == "stage_validation"]
    assert len(losses) == 8 and min(losses) < losses[0]


def test_the_stage_names_its_objective_and_is_part_of_the_key() -> None:
    plain, staged = toy_run(), toy_run(stages=[{**PRETRAIN, "texts": "unlabelled"}, "supervised"])
    first, last = staged.train.stages
    assert staged.train.of_stage(first).objective.options["share"] == 0.3
    assert staged.train.of_stage(last).objective.name == "cross_entropy" == staged.train.objective.name
    assert RunSpec.from_dict(staged.to_dict()) == staged
    others = [toy_run(stages=[{**PRETRAIN, **change}, "supervised"]) for change in ({}, {"epochs": 3}, {"share": 0.2})]
    assert len({spec.run_key for spec in (plain, staged, *others)}) == 5
    chosen = TrainSpec.from_dict({"stages": [{"name": "masked_tokens", "objective": "cross_entropy"}, "supervised"]})
    assert chosen.of_stage(chosen.stages[0]).objective.name == "cross_entropy"
    assert TrainSpec.from_dict(chosen.to_dict()) == chosen


@pytest.mark.parametrize(
    ("variant", "model"),
    [*((name, {}) for name in ("bag_of_embeddings", "deep_averaging", "cnn", "ngrams")),
     ("transformer", {"causal": True})],
)  # fmt: skip
def test_models_without_states_that_know_both_sides_refuse_it(variant: str, model: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"'masked_tokens' needs a state of every token .* gives none: leave"):
        rehearse(toy_run(variant, model=model, stages=[PRETRAIN, "supervised"]))


@pytest.mark.parametrize("data", [toy_data, token_data])
def test_the_loss_over_a_split_is_the_same_however_texts_are_batched(data: Callable[[], EncodedData]) -> None:
    """A mean over texts, whatever is asked of each of them."""
    objective, model, texts = fitted(), small_model(), data().splits["train"]
    options: dict[str, Any] = {"lengths": (16,), "pad_id": 0, "seed": None}
    losses = [objective_loss(model, objective, Batches(texts, batch_size=size, **options), CPU, "fp32")
              for size in (1, 7, 40)]  # fmt: skip
    assert losses[1:] == pytest.approx([losses[0]] * 2, rel=1e-5)


def test_texts_without_labels_are_refused_where_there_are_none_or_labels_are_needed() -> None:
    with pytest.raises(SpecError, match="task 'listops' has none: set its texts to train"):
        rehearse(toy_run(stages=[{**PRETRAIN, "texts": "unlabelled"}, "supervised"]))
    supervised = toy_run(stages=[{"name": "masked_tokens", "texts": "unlabelled", "objective": "cross_entropy"}])
    with pytest.raises(SpecError, match="'cross_entropy' needs labels, but stage 'masked_tokens' trains on texts with"):
        Trainer(supervised, unlabelled(), CPU)


def test_a_head_that_finds_nothing_to_be_tied_to_is_refused() -> None:
    model = small_model()
    model.embedding.embed = torch.nn.Embedding(V, DIMS.d_model + 1)
    with pytest.raises(SpecError, match=r"no token vectors of width 16 in the model .*: set tied: false"):
        fitted().check_model(model)
    fitted(tied=False).check_model(model)
