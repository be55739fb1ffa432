"""The loop: its arithmetic, what is judged and kept, how long it trains, and that it learns."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.training import splits as splits_module
from swarmformer.training.loop import Trainer
from tests.training.runs import CPU, DATA, STEPS, finish
from tests.training.toys import toy_data, toy_run

LEARNERS = ["base", "base+windowed+multi_head+layer_norm+tied_qkv", "bag_of_embeddings"]


def test_a_step_is_the_plain_arithmetic_of_adamw(tmp_path: Path) -> None:
    """Two whole steps without dropout, against a loop written out here."""
    still = {"local": {"dropout": 0.0}, "embedding": {"dropout": 0.0}, "cluster": {"dropout": 0.0}}
    spec = toy_run(
        model={**still, "feedback": {"dropout": 0.0}, "final_dropout": 0.0},
        max_steps=2, lr=0.01, warmup=0.0, schedule="constant", label_smoothing=0.1, clip_norm=0.05, weight_decay=0.1,
    )  # fmt: skip
    trainer = Trainer(spec, DATA, CPU)
    weights = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    decayed = {name for name, p in weights.items() if p.ndim > 1 and "gate" not in name}
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in weights.items()}
    batches = list(trainer.batches["train"](0))[:2]
    plain = Trainer(spec, DATA, CPU).model.train()
    for step, batch in enumerate(batches, start=1):
        for p in weights.values():
            p.requires_grad_()
        logits = torch.func.functional_call(plain, weights, (batch.ids_BN, batch.mask_BN))
        loss = smoothed(logits, batch.labels_M, 0.1)
        grads = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
        norm = torch.sqrt(sum((g**2).sum() for g in grads.values()))  # type: ignore[arg-type]
        assert norm > 0.05, "clipping must act"
        for name, g in grads.items():
            g = g * 0.05 / norm
            m, v = moments[name]
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g**2)
            p = weights[name].detach() * (1 - 0.01 * 0.1 * (name in decayed))
            weights[name] = p - 0.01 * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
    trainer._epoch()
    for name, p in trainer.model.named_parameters():
        assert torch.allclose(p, weights[name], atol=2e-5), name


def smoothed(logits_BK: Tensor, labels_B: Tensor, smoothing: float) -> Tensor:
    K = logits_BK.shape[1]
    target = F.one_hot(labels_B, K) * (1 - smoothing) + smoothing / K
    return -(target * logits_BK.log_softmax(-1)).sum(-1).mean()


def test_the_moving_average_is_judged_and_kept(tmp_path: Path) -> None:
    spec = toy_run(ema_decay=0.5, epochs=1)
    seen: list[dict[str, Tensor]] = []

    def remember(done: int, total: int, words: str) -> None:
        seen.append({name: p.detach().clone() for name, p in trainer.model.named_parameters()})

    trainer = Trainer(spec, DATA, CPU, on_step=remember)
    trainer.run()
    average = seen[0]
    for weights in seen[1:]:
        average = {name: 0.5 * average[name] + 0.5 * weights[name] for name in average}
    for name, p in trainer.model.named_parameters():
        assert torch.allclose(p, average[name], atol=1e-6), name


def test_the_moving_average_anneals_and_releases_as_its_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is judged stands where training stands: at the last step before each validation, 4, 9 and 14 of 15."""
    router = {"anneal": 1.0, "min_temperature": 0.1, "release": 2.0, "distance": 0.5}
    trainer = Trainer(toy_run("base+routing", model={"router": router}, ema_decay=0.5), DATA, CPU)
    validate, temperatures = Trainer._validate, list[float]()

    def compared(self: Trainer) -> None:
        judged = self.learner.judged
        assert judged is not self.model
        for (name, own), other in zip(judged.named_buffers(), self.model.buffers(), strict=True):
            assert torch.equal(own, other), name
        temperatures.append(float(judged.layers[0].router._temperature()))
        validate(self)

    monkeypatch.setattr(Trainer, "_validate", compared)
    result = trainer.run()
    assert temperatures == pytest.approx([math.exp(-step / STEPS) for step in (4, 9, 14)])
    told = {row.measure: row.value for row in result.telemetry if row.component == "learned"}
    place = (5 * result.best_epoch - 1) / STEPS
    learned = float(trainer.model.layers[0].router.log_distance.detach())  # type: ignore[union-attr, index]
    assert told["temperature"] == pytest.approx(math.exp(-place))
    assert told["distance"] == pytest.approx(math.exp(learned - 2.0 * place))


def test_the_best_epoch_by_validation_is_kept_and_the_test_split_read_once(monkeypatch) -> None:
    """Validation accuracies 0.6, 0.8, 0.7, 0.8: the first of the best, epoch 2, is what is tested."""
    accuracies = iter([0.6, 0.8, 0.7, 0.8])
    read: list[str] = []
    kept: list[Tensor] = []
    trainer: Any = Trainer(toy_run(epochs=4), DATA, CPU)
    splits = {id(b): name for name, b in trainer.batches.items()}

    def fake(model, batches, device, precision, ranks):
        read.append(splits[id(batches)])
        kept.append(model.classifier.weight.detach().clone())
        accuracy = next(accuracies) if read[-1] == "validation" else 0.5
        return {"accuracy": accuracy, "loss": 1.0}, torch.zeros(1)

    monkeypatch.setattr(splits_module, "evaluate", fake)
    result = trainer.run()
    assert read == ["validation"] * 4 + ["test"]
    assert (result.best_epoch, result.validation["accuracy"], result.epochs) == (2, 0.8, 4)
    assert torch.equal(kept[4], kept[1]) and not torch.equal(kept[4], kept[3])
    assert torch.equal(trainer.model.classifier.weight, kept[1])


@pytest.mark.parametrize(("limit", "steps", "epochs"), [(0, 15, 3), (7, 7, 2), (5, 5, 1), (1000, 15, 3)])
def test_max_steps(limit: int, steps: int, epochs: int) -> None:
    seen: list[tuple[int, int]] = []
    trainer = Trainer(toy_run(max_steps=limit), DATA, CPU, on_step=lambda *step: seen.append(step[:2]))
    result = trainer.run()
    assert (result.steps, result.epochs) == (steps, epochs)
    assert seen == [(step, steps) for step in range(1, steps + 1)]


def test_the_seed_decides() -> None:
    logits = [finish(toy_run(seed=seed, epochs=1))[1].test_logits_NK for seed in (0, 0, 1)]
    assert torch.equal(logits[0], logits[1]) and not torch.equal(logits[0], logits[2])


def test_padding_to_the_maximum_changes_nothing_for_a_model_that_masks() -> None:
    trainer, result = finish(toy_run(epochs=1, eval_batch_size=6))
    spec = trainer.spec.model_copy(update={"data": trainer.spec.data.model_copy(update={"pad_to_max": True})})
    longer = Trainer(spec, DATA, CPU)
    longer.model.load_state_dict(trainer.model.state_dict())
    assert {b.ids_BN.shape[1] for b in longer.batches["test"]()} == {16}
    assert {b.ids_BN.shape[1] for b in trainer.batches["test"]()} == {8, 16}
    assert torch.allclose(longer.splits.evaluate(longer.model, "test")[1], result.test_logits_NK, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "precision"),
    [
        *((variant, "fp32") for variant in LEARNERS),
        *(pytest.param(variant, "bf16", marks=pytest.mark.slow) for variant in LEARNERS[:-1]),  # without bf16 units
        (LEARNERS[-1], "bf16"),
    ],
)
def test_a_small_problem_is_learned(variant: str, precision: str) -> None:
    """Which of two tokens occurs: 95 % of texts never seen, in some seconds."""
    spec = toy_run(variant, epochs=10, lr=0.02, batch_size=32, precision=precision)
    result = Trainer(spec, toy_data(train=480, held_out=120), CPU).run()
    assert result.test["accuracy"] > 0.95
    assert result.test["n"] == 120 and result.test_logits_NK.dtype == torch.float32


@pytest.mark.slow
def test_compiled_training_agrees() -> None:
    eager, compiled = (Trainer(toy_run(epochs=1, compile=flag), DATA, CPU).run() for flag in (False, True))
    assert (eager.test_logits_NK - compiled.test_logits_NK).abs().max() < 0.05  # dropout draws differently


@pytest.mark.gpu
@pytest.mark.parametrize("settings", [{}, {"precision": "bf16"}, {"compile": True}, {"ema_decay": 0.9}], ids=str)
def test_a_small_problem_is_learned_on_the_gpu(settings: dict[str, Any]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    spec = toy_run(epochs=10, lr=0.02, batch_size=32, **settings)
    assert Trainer(spec, toy_data(480, 120), torch.device("cuda")).run().test["accuracy"] > 0.95
