"""Weights of a model and a channel that learned apart: the likeliest on validation, and nothing else is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from swarmformer.errors import SpecError
from swarmformer.models.stacking import likeliest_weights
from swarmformer.training.checkpoint import CheckpointIdentity, load_checkpoint, save_checkpoint
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from tests.training.members import together, train
from tests.training.runs import CPU, DATA, StopError, assert_same_run, curve, finish, stop_at
from tests.training.toys import toy_run

CHANNEL = {"channel": {"name": "ngrams", "buckets": 64}}


def judges(classes: int, texts: int = 400) -> tuple[Tensor, Tensor]:
    """Logits of two judges that know something of the labels, the second more and far too sure of it."""
    generator = torch.Generator().manual_seed(classes)
    labels_M = torch.randint(classes, (texts,), generator=generator)
    told_MK = F.one_hot(labels_M, classes).float()
    first, second = (told_MK + noise * torch.randn(texts, classes, generator=generator) for noise in (2.0, 1.0))
    return torch.stack([first, 7 * second], dim=1), labels_M


def surprise(weights: tuple[float, float], addends_M2K: Tensor, labels_M: Tensor) -> float:
    logits_MK = weights[0] * addends_M2K[:, 0].double() + weights[1] * addends_M2K[:, 1].double()
    return float(F.cross_entropy(logits_MK, labels_M))


def test_weights_are_those_of_a_logistic_regression_of_the_labels_on_both_logits() -> None:
    addends_M2K, labels_M = judges(2)
    odds_M2 = (addends_M2K[..., 1] - addends_M2K[..., 0]).double().numpy()
    fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(odds_M2, labels_M.numpy())
    assert likeliest_weights(addends_M2K, labels_M) == pytest.approx(fitted.coef_[0], rel=1e-3)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_no_weights_near_make_the_labels_likelier(classes: int) -> None:
    given = judges(classes)
    first, second = likeliest_weights(*given)
    least = surprise((first, second), *given)
    assert least < surprise((1.0, 1.0), *given)
    for a, b in ((0.98, 1.0), (1.02, 1.0), (1.0, 0.98), (1.0, 1.02)):
        assert surprise((a * first, b * second), *given) > least


def test_a_judge_that_is_wrong_throughout_is_not_heard_and_none_votes_against_itself() -> None:
    addends_M2K, labels_M = judges(3)
    wrong_M2K = torch.stack([-addends_M2K[:, 0], addends_M2K[:, 1]], dim=1)
    first, second = likeliest_weights(wrong_M2K, labels_M)
    assert first == 0 and second > 0


def test_sizes_of_logits_change_the_weights_and_nothing_else() -> None:
    addends_M2K, labels_M = judges(3)
    plain = likeliest_weights(addends_M2K, labels_M)
    sizes = torch.tensor([1e-3, 1e3])
    scaled = likeliest_weights(addends_M2K * sizes.view(1, 2, 1), labels_M)
    assert [weight * float(size) for weight, size in zip(scaled, sizes, strict=True)] == pytest.approx(plain, rel=1e-4)


def test_judges_that_are_wrong_throughout_are_left_as_they_are() -> None:
    addends_M2K, labels_M = judges(2)
    assert likeliest_weights(-addends_M2K, labels_M) == [1.0, 1.0]


def test_labels_that_are_all_told_right_have_finite_weights() -> None:
    labels_M = torch.tensor([0, 1, 1, 0])
    told_M2K = torch.stack([F.one_hot(labels_M, 2).float()] * 2, dim=1)
    weights = likeliest_weights(told_M2K, labels_M)
    assert all(np.isfinite(weights)) and min(weights) >= 1


def weighed(weigh: bool, **train: Any) -> Any:
    objective = {"name": "cross_entropy", "apart": True, "weigh": weigh}
    return toy_run("base", model=CHANNEL, objective=objective, lr=0.02, **train)


def run(folder: Path, weigh: bool, **train: Any) -> tuple[dict[str, Tensor], list[dict[str, Any]], Tensor]:
    """Best weights, validations and answers to the test."""
    trainer, result = finish(weighed(weigh, **train), folder)
    lines: list[dict[str, Any]] = [line for line in curve(folder) if line["kind"] == "validation"]
    return dict(trainer.model.state_dict()), lines, result.test_logits_NK


@pytest.mark.parametrize("ema", [0.0, 0.8])
def test_training_is_the_same_and_the_answers_are_the_weighted_sum(tmp_path: Path, ema: float) -> None:
    options = {"ema_decay": ema, "epochs": 1}  # one, so that both keep the same weights
    (plain, before, _), (own, after, answers) = (run(tmp_path / str(w), w, **options) for w in (False, True))
    assert torch.equal(plain.pop("weights_2"), torch.ones(2))
    weights_2 = own.pop("weights_2")
    assert plain.keys() == own.keys() and all(torch.equal(plain[name], own[name]) for name in plain)
    assert after[0]["loss"] < before[0]["loss"] and "settled/weight of model" not in before[0]
    told = torch.tensor([after[0]["settled/weight of model"], after[0]["settled/weight of channel"]])
    assert torch.equal(told, weights_2) and not torch.equal(told, torch.ones(2))
    trainer = Trainer(weighed(weigh=True, **options), DATA, CPU)
    trainer.model.load_state_dict(own | {"weights_2": torch.ones(2)})
    addends_M2K, labels_M = trainer.splits.addends(trainer.model, "validation")
    assert likeliest_weights(addends_M2K, labels_M) == pytest.approx(weights_2.tolist(), rel=1e-6)
    of_test_M2K, _ = trainer.splits.addends(trainer.model, "test")
    expected = sum(weight * of_test_M2K[:, n] for n, weight in enumerate(weights_2))
    torch.testing.assert_close(answers, expected)


def test_a_run_that_was_stopped_has_the_same_weights(tmp_path: Path) -> None:
    spec = weighed(weigh=True, checkpoint_seconds=0.0)
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    finish(spec, tmp_path / "whole")
    for step in (5, 12):
        with pytest.raises(StopError):
            Trainer(spec, DATA, CPU, tmp_path / "stopped", stop_at(step)).run()
    finish(spec, tmp_path / "stopped")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped", spec)


@pytest.mark.waits
def test_two_processes_find_the_weights_that_one_does(tmp_path: Path) -> None:
    still = {name: {"dropout": 0.0} for name in ("local", "embedding", "cluster", "feedback")} | {"final_dropout": 0.0}
    objective = {"name": "cross_entropy", "apart": True, "weigh": True}
    order = {"model": {**CHANNEL, **still}, "train": {"objective": objective, "batch_size": 6, "lr": 0.02}}
    assert together({**order, "folder": str(tmp_path / "two")}, 2) == [0, 0]
    train({**order, "folder": str(tmp_path / "one")})
    one, two = ([line for line in curve(tmp_path / n) if line["kind"] == "validation"] for n in ("one", "two"))
    for name in ("settled/weight of model", "settled/weight of channel"):
        assert [line[name] for line in two] == pytest.approx([line[name] for line in one], rel=1e-4)


def test_a_model_that_does_not_learn_apart_is_not_weighed() -> None:
    with pytest.raises(SpecError, match="set apart: true beside it"):
        CrossEntropy(weighed(weigh=True).model.dims, weigh=True)
    with pytest.raises(SpecError, match="apart from its channel, and there is none"):
        Trainer(toy_run("base", objective={"name": "cross_entropy", "apart": True, "weigh": True}), DATA, CPU)


def test_a_stage_before_the_last_is_not_weighed() -> None:
    """What comes after would train with the weights, of which one may be zero."""
    first = {"name": "supervised", "objective": {"name": "cross_entropy", "apart": True, "weigh": True}, "epochs": 1}
    with pytest.raises(SpecError, match=r"with which stages after 'supervised' would train: only in the last"):
        Trainer(toy_run("base", model=CHANNEL, stages=[first, "supervised"]), DATA, CPU)
    Trainer(weighed(weigh=True, stages=["masked_tokens", "supervised"]), DATA, CPU)


def test_a_checkpoint_without_the_weights_is_refused_with_what_to_do(tmp_path: Path) -> None:
    spec = weighed(weigh=False, checkpoint_seconds=0.0)
    with pytest.raises(StopError):
        Trainer(spec, DATA, CPU, tmp_path, stop_at(6)).run()
    identity = CheckpointIdentity(spec.run_key, spec.seed, "toy")
    tensors, progress = load_checkpoint(tmp_path / "checkpoint.safetensors", identity)
    save_checkpoint(tmp_path / "checkpoint.safetensors", identity, {
        name: tensor for name, tensor in tensors.items() if not name.endswith("weights_2")}, progress)  # fmt: skip
    with pytest.raises(SpecError, match=r"other code, whose model has other tensors \(weights_2\): move it away"):
        Trainer(spec, DATA, CPU, tmp_path).run()


def test_an_objective_that_asks_for_a_channel_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(toy_run("base"), DATA, CPU)
    monkeypatch.setattr(trainer.learner.step.objective, "settles", True)
    monkeypatch.setattr(CrossEntropy, "settle", lambda self, model, held_out: held_out())
    with pytest.raises(SpecError, match="there is no channel; it should refuse such a model in check_model"):
        trainer.run()
