"""The loop: learns, resumes exactly, keeps the best, reads the test split once, reports divergence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.components.local.identity import Identity
from swarmformer.contracts import Dims
from swarmformer.errors import SpecError, TrainingDivergedError
from swarmformer.spec import RunSpec
from swarmformer.training import loop
from swarmformer.training.checkpoint import CheckpointIdentity, load_checkpoint
from swarmformer.training.loop import Trainer
from swarmformer.training.result import TrainResult
from tests.training.toys import toy_data, toy_run

LEARNERS = ["base", "base+windowed+multi_head+layer_norm+tied_qkv", "bag_of_embeddings"]

CPU = torch.device("cpu")
DATA = toy_data()
Whole = Callable[[float, float], tuple[Path, TrainResult]]
STEPS = 15  # 40 examples in batches of 8, 3 epochs


class StopError(Exception):
    pass


def stop_at(step: int) -> Callable[[int, int, str], None]:
    def on_step(done: int, total: int, words: str) -> None:
        if done == step:
            raise StopError

    return on_step


def finish(spec: RunSpec, folder: Path | None = None) -> tuple[Trainer, TrainResult]:
    if folder is not None:
        folder.mkdir(exist_ok=True)
    trainer = Trainer(spec, DATA, CPU, folder)
    return trainer, trainer.run()


def curve(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def assert_same_run(first: Path, second: Path, spec: RunSpec, data_key: str = "toy") -> None:
    """Bit for bit: weights, moments, averages, random states, validations, curves."""
    (a, done), (b, again) = (
        load_checkpoint(folder / "checkpoint.safetensors", CheckpointIdentity(spec.run_key, spec.seed, data_key))
        for folder in (first, second)
    )
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
    done.seconds = again.seconds = done.passed = again.passed = 0.0
    assert done == again
    assert curve(first) == curve(second)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The run with this decay, with checkpoints this often, that nobody stops; and its folder."""

    @cache
    def run(ema: float, checkpoint_seconds: float) -> tuple[Path, TrainResult]:
        folder = tmp_path_factory.mktemp("whole")
        return folder, finish(toy_run(ema_decay=ema, checkpoint_seconds=checkpoint_seconds), folder)[1]

    return run


@pytest.mark.parametrize("ema", [pytest.param(0.0, marks=pytest.mark.slow), 0.9])
@pytest.mark.parametrize(
    ("stops", "every_step"),
    [
        *product([(1,), (7,), (5, 10), (3, 4, 12), (14,), (15,)], [True]),
        *product([(1,), (5, 10), (3, 4, 12)], [False]),
        *(pytest.param(stops, False, marks=pytest.mark.slow) for stops in ((7,), (14,), (15,))),
    ],
)
def test_a_stopped_run_ends_as_one_that_was_never_stopped(
    tmp_path: Path, whole: Whole, stops: tuple[int, ...], every_step: bool, ema: float
) -> None:
    """StopError within epochs, at their ends, before the first checkpoint, again and again."""
    spec = toy_run(ema_decay=ema, checkpoint_seconds=0.0 if every_step else 1e9)
    folder, expected = whole(ema, spec.train.checkpoint_seconds)
    (tmp_path / "stopped").mkdir()
    for step in stops:
        with pytest.raises(StopError):
            Trainer(spec, DATA, CPU, tmp_path / "stopped", stop_at(step)).run()
        torch.manual_seed(12345)  # what happens in between must not matter
    _, resumed = finish(spec, tmp_path / "stopped")
    assert_same_run(folder, tmp_path / "stopped", spec)
    assert torch.equal(resumed.test_logits_NK, expected.test_logits_NK)
    assert (resumed.test, resumed.validation, resumed.steps) == (expected.test, expected.validation, STEPS)


def test_stopped_between_the_validation_line_and_its_checkpoint(tmp_path: Path, monkeypatch) -> None:
    """The last step of an epoch has a checkpoint of its own; the validation after it is written only once."""
    spec = toy_run(checkpoint_seconds=0.0)
    (tmp_path / "stopped").mkdir()
    trainer, save = Trainer(spec, DATA, CPU, tmp_path / "stopped"), Trainer._save

    def save_or_stop(self: Trainer) -> None:
        if self.progress.epoch == 1:
            raise StopError
        save(self)

    monkeypatch.setattr(Trainer, "_save", save_or_stop)
    with pytest.raises(StopError):
        trainer.run()
    monkeypatch.undo()
    finish(spec, tmp_path / "stopped")
    finish(spec, tmp_path / "whole")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped", spec)


def test_a_half_written_line_is_dropped(tmp_path: Path) -> None:
    spec = toy_run()
    with pytest.raises(StopError):
        Trainer(spec, DATA, CPU, tmp_path, stop_at(7)).run()
    with (tmp_path / "curve.jsonl").open("a") as stream:
        stream.write('{"kind": "train", "ste')
    finish(spec, tmp_path)
    finish(spec, tmp_path / "whole")
    assert curve(tmp_path) == curve(tmp_path / "whole")


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    spec = toy_run()
    _, first = finish(spec, tmp_path)
    trainer = Trainer(spec, DATA, CPU, tmp_path, stop_at(1))
    steps = trainer.progress.step
    again = trainer.run()
    assert steps == 0 and again.steps == first.steps and torch.equal(again.test_logits_NK, first.test_logits_NK)


@pytest.mark.parametrize("other", [{"lr": 1e-3}, {"seed": 1}], ids=str)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    finish(toy_run(epochs=1), tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(SpecError, match=r"checkpoint\.safetensors: belongs to (run_key|seed) .*; move it away"):
        finish(toy_run(**{"epochs": 1, **other}), tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


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

    monkeypatch.setattr(loop, "evaluate", fake)
    result = trainer.run()
    assert read == ["validation"] * 4 + ["test"]
    assert (result.best_epoch, result.validation["accuracy"], result.epochs) == (2, 0.8, 4)
    assert torch.equal(kept[4], kept[1]) and not torch.equal(kept[4], kept[3])
    assert torch.equal(trainer.model.classifier.weight, kept[1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("step", [1, 4, 15])
def test_divergence_names_its_step(tmp_path: Path, monkeypatch, step: int, bad: float) -> None:
    trainer = Trainer(toy_run(), DATA, CPU, tmp_path)
    plain, calls = F.cross_entropy, iter(range(1, 1000))
    monkeypatch.setattr(F, "cross_entropy", lambda *a, **k: plain(*a, **k) * (bad if next(calls) == step else 1))
    validated: list[int] = []

    def only_count(self: Trainer) -> None:
        validated.append(self.progress.step)
        self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    monkeypatch.setattr(Trainer, "_validate", only_count)
    with pytest.raises(TrainingDivergedError, match=rf"loss became (nan|inf) at step {step}; try") as error:
        trainer.run()
    assert error.value.step == step
    assert validated == [end for end in (5, 10) if end < step], "nothing is validated after the step that diverged"


def test_a_gradient_that_overflows_is_divergence_too() -> None:
    trainer: Any = Trainer(toy_run(), DATA, CPU)
    trainer.model.classifier.weight.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(TrainingDivergedError, match=r"gradient norm became (nan|inf) at step 1"):
        trainer.run()


class Breaks(Identity):
    """Gives NaN from a call on."""

    def __init__(self, dims: Dims, *, call: int = 1) -> None:
        super().__init__(dims)
        self.left = call

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        self.left -= 1
        return x_BND if self.left > 0 else x_BND * float("nan")


@pytest.mark.parametrize("call", [1, 10])
def test_a_component_of_one_s_own_is_suspected_before_any_weight_has_changed(call: int) -> None:
    own = f"{__name__}:{Breaks.__name__}"
    with pytest.raises(TrainingDivergedError) as error:
        Trainer(toy_run(model={"local": {"name": own, "call": call}}), DATA, CPU).run()
    words = f"train.precision=fp32; or a component gives NaN: swarmformer check {own}"
    assert str(error.value).endswith(words if call == 1 else "train.precision=fp32")


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
    assert torch.allclose(longer.evaluate(longer.model, "test")[1], result.test_logits_NK, atol=1e-5)


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


@pytest.mark.gpu
def test_resume_on_the_gpu(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    spec = toy_run(checkpoint_seconds=0.0)
    with pytest.raises(StopError):
        Trainer(spec, DATA, torch.device("cuda"), tmp_path, stop_at(7)).run()
    resumed = Trainer(spec, DATA, torch.device("cuda"), tmp_path).run()
    whole = Trainer(spec, DATA, torch.device("cuda")).run()
    assert (resumed.test_logits_NK - whole.test_logits_NK).abs().max() < 1e-3


def test_the_test_split_is_read_once_and_the_curve_tells_it(tmp_path: Path) -> None:
    _, result = finish(toy_run(), tmp_path)
    assert (result.test_readings, result.published_reading) == (1, None)
    (line,) = [line for line in curve(tmp_path) if line["kind"] == "test"]
    assert (line["step"], line["epoch"], line["accuracy"]) == (STEPS, result.best_epoch, result.test["accuracy"])


def test_a_run_that_goes_on_after_its_reading_counts_both(tmp_path: Path) -> None:
    first, again = finish(toy_run(), tmp_path)[1], finish(toy_run(), tmp_path)[1]
    assert (first.test_readings, again.test_readings) == (1, 2)
    lines = [line for line in curve(tmp_path) if line["kind"] == "test"]
    assert len(lines) == 2 and lines[0] == lines[1]


def test_the_authors_reading_is_recorded_apart_and_changes_no_result(tmp_path: Path) -> None:
    plain = finish(toy_run(), tmp_path / "plain")[1]
    _, result = finish(toy_run(read_test_each_epoch=True), tmp_path / "read")
    assert torch.equal(result.test_logits_NK, plain.test_logits_NK)
    assert (result.test, result.validation, result.best_epoch) == (plain.test, plain.validation, plain.best_epoch)
    readings = [line for line in curve(tmp_path / "read") if line["kind"] == "test_reading"]
    assert [line["epoch"] for line in readings] == [1, 2, 3]
    best = max(float(str(line["accuracy"])) for line in readings)
    first = next(line["epoch"] for line in readings if line["accuracy"] == best)
    assert result.published_reading == {"accuracy": best, "epoch": first, "readings": 3}
    assert result.test_readings == 1
