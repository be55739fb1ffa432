"""The places of training carry what is not there yet: objectives, optimisers, augmentations, stages of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.data.batching import Batch
from swarmformer.errors import SpecError, TrainingDivergedError
from swarmformer.rehearsal import rehearse
from swarmformer.spec import RunSpec
from swarmformer.testing import check_component
from swarmformer.training.loop import Trainer
from tests.training import own
from tests.training.own import Denoise, DropTokens, Momentum, Pretraining, RDrop, named
from tests.training.runs import CPU, DATA, StopError, assert_same_run, curve, finish, stop_at
from tests.training.toys import toy_data, toy_run

PRETRAIN = {"name": named(Pretraining), "epochs": 2, "objective": named(Denoise), "optimiser": {"lr": 0.01}}
ALL_OWN: dict[str, Any] = {
    "objective": named(RDrop), "optimiser": named(Momentum), "augmentation": named(DropTokens), "ema_decay": 0.5,
    "stages": [PRETRAIN, {"name": "supervised", "augmentation": "none"}, "supervised"],
}  # fmt: skip


@pytest.mark.parametrize("cls", own.OWN)
def test_the_kit_passes_them(cls: type) -> None:
    check_component(cls).raise_for_failures()


@pytest.mark.parametrize(
    ("train", "stops", "steps"),
    [
        ({"objective": named(RDrop)}, [(7,)], 15),
        ({"optimiser": named(Momentum), "shrink": 0.1}, [(7,)], 15),
        ({"augmentation": named(DropTokens)}, [(7,)], 15),
        ({"stages": [PRETRAIN, "supervised"]}, [(10,), (11,)], 25),
        pytest.param({"stages": [PRETRAIN, "supervised"]}, [(3,), (4, 17, 25)], 25, marks=pytest.mark.slow),
        pytest.param(ALL_OWN, [(3,), (12, 26)], 40, marks=pytest.mark.slow),
    ],
    ids=["objective", "optimiser", "augmentation", "stages", "more of stages", "all"],
)
@pytest.mark.parametrize("every_step", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_stopped_run_ends_as_one_that_was_never_stopped(
    tmp_path: Path, train: dict[str, Any], stops: list[tuple[int, ...]], steps: int, every_step: bool
) -> None:
    """Bit by bit, wherever it is stopped: amid a stage, at its end, at the first step of the next."""
    spec = toy_run(**train, checkpoint_seconds=0.0 if every_step else 1e9)
    _, whole = finish(spec, tmp_path / "whole")
    assert whole.steps == steps
    for number, places in enumerate(stops):
        folder = tmp_path / f"stopped {number}"
        folder.mkdir()
        for step in places:
            with pytest.raises(StopError):
                Trainer(spec, DATA, CPU, folder, stop_at(step)).run()
            torch.manual_seed(12345)
        _, resumed = finish(spec, folder)
        assert_same_run(tmp_path / "whole", folder, spec)
        assert torch.equal(resumed.test_logits_NK, whole.test_logits_NK)


# Objectives.


def test_parts_of_the_loss_are_written_and_are_those_of_two_passes(tmp_path: Path) -> None:
    finish(toy_run(objective=named(RDrop), weight=3.0), tmp_path)
    for line in (line for line in curve(tmp_path) if line["kind"] == "train"):
        whole, truth, apart = (line[name] for name in ("loss", "loss/truth", "loss/apart"))
        assert whole == pytest.approx(truth + 3 * apart, rel=1e-5) and apart > 0  # type: ignore[operator]


def test_losses_of_the_model_are_a_mean_over_the_passes() -> None:
    """Two passes without dropout are one pass twice: the routers' losses count once."""
    def totals(**train: Any) -> tuple[float, float]:
        trainer = Trainer(toy_run("base+routing", **train), DATA, CPU)
        trainer.model.eval()
        record = trainer.step.add_gradients(next(iter(trainer.batches["train"](0))))
        return float(record["loss"]), float(sum(v for name, v in record.items() if name == "loss/balance"))

    assert totals(objective=named(RDrop)) == pytest.approx(totals(), rel=1e-5)


# Optimisers.


def test_another_optimiser_is_what_trains() -> None:
    """One step of SGD with Nesterov's momentum from rest: (1 + 0.9) times the gradient."""
    spec = toy_run(optimiser={"name": named(Momentum), "lr": 0.2, "shrink": 0.0}, clip_norm=0.0, max_steps=1)
    trainer = Trainer(spec, DATA, CPU)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    gradients: dict[str, Tensor] = {}
    for name, parameter in trainer.model.named_parameters():
        parameter.register_hook(lambda gradient, name=name: gradients.__setitem__(name, gradient.clone()))
    trainer._epoch()
    for name, parameter in trainer.model.named_parameters():
        assert torch.allclose(parameter, before[name] - 0.2 * 1.9 * gradients[name], atol=1e-6), name


# Augmentations.


def taught(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> Iterator[Batch]:
    """The batches that a run takes its steps with."""
    trainer, batches = Trainer(spec, DATA, CPU), []
    step = trainer._step
    monkeypatch.setattr(trainer, "_step", lambda batch: (batches.append(batch), step(batch))[1])
    trainer.run()
    yield from batches


def test_training_batches_are_augmented_anew_each_epoch_and_those_of_validation_never(monkeypatch) -> None:
    plain, short = (list(taught(toy_run(augmentation=name), monkeypatch)) for name in ("none", named(DropTokens)))
    again = list(taught(toy_run(augmentation=named(DropTokens), lr=0.1), monkeypatch))
    for before, after, same in zip(plain, short, again, strict=True):
        assert torch.equal(before.index_M, after.index_M) and torch.equal(before.labels_M, after.labels_M)
        assert after.mask_BN.sum() < before.mask_BN.sum() and not after.ids_BN[~after.mask_BN].any()
        assert torch.equal(after.ids_BN, same.ids_BN)
    texts = [{tuple(ids.tolist()) for batch in short[epoch : epoch + 5] for ids in batch.ids_BN} for epoch in (0, 5)]
    assert texts[0] != texts[1]
    trainers = [Trainer(toy_run(augmentation=name), DATA, CPU) for name in ("none", named(DropTokens))]
    for split in ("validation", "test"):
        first, second = (trainer.splits.evaluate(trainer.model, split)[1] for trainer in trainers)
        assert torch.equal(first, second)


def test_what_moves_tokens_is_refused_where_they_are_asked_about() -> None:
    spec = toy_run(model={"pooling": "tokens"}, augmentation=named(DropTokens))
    asking = {"task": spec.data.task.model_copy(update={"name": "mqar", "options": {}})}
    spec = spec.model_copy(update={"data": spec.data.model_copy(update=asking)})
    with pytest.raises(SpecError, match=r"'mqar' asks at tokens, but augmentation .*DropTokens' moves them"):
        rehearse(spec)


# Stages.


def test_the_next_stage_starts_from_the_best_weights_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses 3, 1, 2: the weights of the second epoch."""
    spec = toy_run(stages=[{**PRETRAIN, "epochs": 3}, "supervised"])
    trainer = Trainer(spec, DATA, CPU)
    losses, weights, first = iter([3.0, 1.0, 2.0]), [], []
    step = trainer._step

    def validate(self: Pretraining, judge: Any) -> dict[str, float]:
        weights.append(trainer.model.classifier.weight.detach().clone())
        return {"loss": next(losses)}

    def remember(batch: Batch) -> Any:
        if trainer.progress.step == 15:
            first.append(trainer.model.classifier.weight.detach().clone())
        return step(batch)

    monkeypatch.setattr(Pretraining, "validate", validate)
    monkeypatch.setattr(trainer, "_step", remember)
    embedding = trainer.model.embedding.embed.weight
    result = trainer.run()
    assert torch.equal(first[0], weights[1]) and embedding is trainer.model.embedding.embed.weight
    assert (result.steps, result.epochs, "accuracy" in result.validation) == (30, 6, True)
    assert result.best_epoch > 3


def test_pretraining_teaches_the_model_and_its_own_head(tmp_path: Path) -> None:
    spec = toy_run(stages=[{**PRETRAIN, "epochs": 12, "batch_size": 16}, "supervised"])
    trainer = Trainer(spec, toy_data(160), CPU, tmp_path)
    head = trainer.stages[0].ingredients.objective.head.weight  # type: ignore[union-attr]
    before = head.detach().clone()
    trainer.run()
    lines = curve(tmp_path)
    losses = [line["loss"] for line in lines if line["kind"] == "stage_validation"]
    assert len(losses) == 12 and min(losses) < 0.95 * losses[0]  # type: ignore[type-var, operator]
    assert {line["stage"] for line in lines if line["kind"] == "stage_train"} == {named(Pretraining)}
    assert [line["epoch"] for line in lines if line["kind"] == "validation"] == [13, 14, 15]
    assert not torch.equal(head, before)


def test_a_stage_has_its_own_budget_and_schedule() -> None:
    spec = toy_run(stages=[{**PRETRAIN, "max_steps": 7, "batch_size": 4}, "supervised"], schedule="constant")
    trainer = Trainer(spec, DATA, CPU)
    first, second = trainer.stages
    assert [(s.first_step, s.steps) for s in (first, second)] == [(0, 7), (7, 15)]
    assert [s.ingredients.optimiser.learning_rate(3, 7) for s in (first, second)] == [0.01, 4.76e-4]
    trainer.run()


def test_a_run_that_only_pretrains_is_tested_all_the_same() -> None:
    _, result = finish(toy_run(stages=[PRETRAIN]))
    assert result.test["n"] == result.validation["n"] == 24 and "accuracy" in result.validation


def test_a_stage_that_trains_on_no_split_of_the_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pretraining, "trains_on", "more")
    with pytest.raises(SpecError, match=r"trains on split 'more', but the task has train, validation, test"):
        Trainer(toy_run(stages=[PRETRAIN, "supervised"]), DATA, CPU)


# Divergence.


@pytest.mark.parametrize("step", [1, 7, 15])
def test_weights_that_a_step_makes_nan_end_the_run_with_that_step(tmp_path: Path, step: int) -> None:
    """Loss and gradient are those before the step: they do not show it."""
    trainer = Trainer(toy_run(max_steps=step), DATA, CPU, tmp_path)
    update = trainer.step.optimiser.step

    def spoil() -> None:
        update()
        if trainer.progress.step + 1 == step:
            with torch.no_grad():
                trainer.model.classifier.weight.fill_(float("nan"))

    trainer.step.optimiser.step = spoil  # type: ignore[method-assign, assignment]
    words = rf"after step {step} the weights are not finite; try a smaller"
    with pytest.raises(TrainingDivergedError, match=words) as error:
        trainer.run()
    assert error.value.step == step
    assert_nothing_but_numbers(tmp_path)


def test_finite_weights_that_give_no_logits_end_the_run_too(tmp_path: Path) -> None:
    """A step of 10³⁰: the products overflow, and NaN is no answer that an accuracy could be made of."""
    spec = toy_run("bag_of_embeddings", lr=1e30, warmup=0.0, epochs=1, batch_size=40)
    words = r"after step 1 the (weights|logits of the validation split) are not finite"
    with pytest.raises(TrainingDivergedError, match=words) as error:
        Trainer(spec, DATA, CPU, tmp_path).run()
    assert error.value.step == 1
    assert_nothing_but_numbers(tmp_path)


def assert_nothing_but_numbers(folder: Path) -> None:
    text = (folder / "curve.jsonl").read_text() if (folder / "curve.jsonl").exists() else ""
    assert "NaN" not in text and "Infinity" not in text


def test_the_loss_falls_as_the_plain_one_does_with_an_objective_that_is_the_plain_one() -> None:
    """R-Drop of weight 0 without dropout is cross-entropy."""
    still = {name: {"dropout": 0.0} for name in ("local", "embedding", "cluster", "feedback")}
    runs = [
        finish(toy_run(model={**still, "final_dropout": 0.0}, **train))[1]
        for train in ({}, {"objective": named(RDrop), "weight": 0.0})
    ]
    assert torch.allclose(runs[0].test_logits_NK, runs[1].test_logits_NK, atol=1e-5)
    assert F.softmax(runs[0].test_logits_NK, dim=-1).isfinite().all() and replace(runs[0]).steps == 15
