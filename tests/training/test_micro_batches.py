"""A batch that is computed in parts gives the loss and the gradients of the whole; memory that ends costs no run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.contracts import Dims, Model
from swarmformer.contracts.component import Component
from swarmformer.data.batching import Batch
from swarmformer.data.encoded import EncodedData
from swarmformer.errors import MemoryExhaustedError, SpecError, TrainingDivergedError
from swarmformer.records import Computing
from swarmformer.spec import TrainSpec
from swarmformer.testing.drive import without_dropout
from swarmformer.training.evaluate import _fitting, objective_loss, predict
from swarmformer.training.learner import Learner
from swarmformer.training.loop import Trainer
from swarmformer.training.ranks import ALONE
from swarmformer.training.step import training_step
from tests.helpers import assert_close, prefix_mask
from tests.training.runs import CPU, DATA, StopError, assert_same_run, finish, stop_at
from tests.training.toys import token_data, toy_data, toy_run

ROUTING = {"logits": "content", "distance": 0.2, "balance_weight": 0.3, "z_weight": 0.2, "coherence_weight": 0.1,
           "coherence_warmup": 0.0}  # fmt: skip
CASES: dict[str, dict[str, Any]] = {
    "base": {},
    "original_small": {},
    "base+windowed+layer_norm": {},
    "base+routing": {"model": {"router": ROUTING}},
    "r_drop": {"variant": "base", "objective": "r_drop"},
    "tokens": {"variant": "base", "model": {"pooling": "tokens"}},
    "pretraining": {"variant": "base", "stages": ["masked_tokens"], "objective": {"name": "masked_tokens", "share": 0.5,
                                                                               "random": 0.0}},
}  # fmt: skip


def gradients(trainer: Trainer, batch: Batch) -> tuple[dict[str, float], dict[str, Tensor]]:
    named = [*trainer.model.named_parameters(), *trainer.step.objective.named_parameters()]
    for _, parameter in named:
        parameter.grad = None
    record = trainer.step.add_gradients(batch, (0, 0))
    return {k: float(v) for k, v in record.items()}, {n: p.grad.clone() for n, p in named if p.grad is not None}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_parts_have_the_gradient_of_the_whole(name: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of unlike length and number of questions, an emptied one among them, and a last part that is smaller."""
    settings = dict(CASES[name])
    variant = settings.pop("variant", name)
    trainer = Trainer(toy_run(variant, **settings), token_data() if name == "tokens" else DATA, CPU)
    without_dropout(trainer.model)
    trainer.model.train()
    trainer.step.objective.train()
    # What is hidden is drawn by numbers that follow from the text, whichever part it is in.
    monkeypatch.setattr(torch, "rand", lambda shape, device=None: torch.linspace(0, 1, shape[-1]).expand(shape).clone())
    batch = next(iter(trainer.now.batches(0)))
    if name.startswith("base"):
        batch.mask_BN[:] = prefix_mask([1, 7, 0, 2, 6, 6, 1, 3], batch.mask_BN.shape[1])
        texts_B, tokens_B = batch.mask_BN.any(dim=1), batch.mask_BN.sum(dim=1)
        share_of_texts, share_of_tokens = (count[:: -(-8 // size)].sum() / count.sum() for count in (texts_B, tokens_B))
        assert share_of_texts > 2 * share_of_tokens, "of the first part: to count the one for the other is no rounding"
    told, whole = gradients(trainer, batch)
    trainer.step.micro_batch = size
    told_in_parts, in_parts = gradients(trainer, batch)
    assert told_in_parts.keys() == told.keys() and in_parts.keys() == whole.keys()
    for key, value in told.items():
        assert told_in_parts[key] == pytest.approx(value, rel=2e-5, abs=1e-6), key
    for key, gradient in whole.items():
        assert_close(key, gradient, in_parts[key], atol=1e-7 + 1e-5 * float(gradient.abs().max()), rtol=1e-5)


class Cramped(Component):
    """Takes the place of a model's ``detailed``: memory ends with more than so many texts at once."""

    def __init__(self, detailed: Any, room: int, error: BaseException) -> None:
        super().__init__()
        self.detailed, self.room, self.error, self.seen = detailed, room, error, []

    def __call__(self, ids_BN: Tensor, mask_BN: Tensor) -> Any:
        output = self.detailed(ids_BN, mask_BN)
        if torch.is_grad_enabled():
            self.seen.append(len(ids_BN))
            if len(ids_BN) > self.room:
                raise self.error
        return output


def cramp(trainer: Trainer, room: int, error: BaseException | None = None) -> Cramped:
    cramped = Cramped(trainer.model.detailed, room, error or torch.OutOfMemoryError("CUDA out of memory. Tried to …"))
    trainer.step.detailed = cramped  # type: ignore[method-assign]
    return cramped


@pytest.mark.parametrize(
    "error",
    [
        None,
        pytest.param(MemoryError(), marks=pytest.mark.slow),
        pytest.param(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate"), marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_memory_that_ends_costs_no_run(tmp_path: Path, error: BaseException | None) -> None:
    """Eight texts, then four, then two at once, from the middle of a batch on; a run of two from the start is alike."""
    spec = toy_run(lr=0.01, epochs=1)
    trainer = Trainer(spec, DATA, CPU, tmp_path)
    cramped = cramp(trainer, 2, error)
    result = trainer.run()
    assert cramped.seen[:3] == [8, 4, 2] and set(cramped.seen[2:]) == {2}
    assert trainer.computing == Computing(micro_batch=2, reduced=True)
    asked = Trainer(toy_run(lr=0.01, epochs=1, micro_batch=2), DATA, CPU)
    assert torch.equal(asked.run().test_logits_NK, result.test_logits_NK)
    assert asked.computing == Computing(micro_batch=2)


class Narrow(torch.nn.Module):
    """A model in a memory that holds so many texts at once."""

    def __init__(self, model: Model, room: int) -> None:
        super().__init__()
        self.model, self.room, self.dims, self.seen = model, room, model.dims, []

    def forward(self, ids_BN: Tensor, mask_BN: Tensor) -> Tensor:
        self.seen.append(len(ids_BN))
        if len(ids_BN) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to …")
        return self.model(ids_BN, mask_BN)


@pytest.mark.parametrize("data", [toy_data, token_data])
def test_evaluation_goes_on_with_fewer_texts_where_memory_ends(data: Callable[[], EncodedData]) -> None:
    model = {} if data is toy_data else {"pooling": "tokens"}
    trainer = Trainer(toy_run(model=model), data(), CPU)
    batches, narrow = trainer.batches["test"], Narrow(trainer.model, 5)
    expected = predict(trainer.model, batches, CPU, "fp32")
    assert_close("logits", expected, predict(narrow, batches, CPU, "fp32"), atol=1e-6)  # type: ignore[arg-type]
    assert narrow.seen[0] == 24 and max(narrow.seen[2:]) <= 12 and narrow.seen.count(24) == 1, "it is not tried again"
    with pytest.raises(MemoryExhaustedError, match=r"does not hold one text of .* shorten"):
        predict(Narrow(trainer.model, 0), batches, CPU, "fp32")  # type: ignore[arg-type]


def roomy(trainer: Trainer, room: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The trainer's model fails with more than so many texts at once; how many it was asked for."""
    seen, detailed = list[int](), trainer.model.detailed

    def asked(ids_BN: Tensor, mask_BN: Tensor) -> Any:
        seen.append(len(ids_BN))
        if len(ids_BN) > room:
            raise error
        return detailed(ids_BN, mask_BN)

    monkeypatch.setattr(trainer.model, "detailed", asked)
    return seen


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to …")


@pytest.mark.parametrize("settings", [{"stages": ["masked_tokens"]}, {}], ids=str)
def test_validation_of_an_objective_goes_on_with_fewer_texts_too(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(toy_run(**settings), toy_data(), CPU)
    of = (trainer.model, trainer.step.objective, trainer.batches["validation"], CPU, "fp32")
    expected = objective_loss(*of)
    seen = roomy(trainer, 5, FULL, monkeypatch)
    assert objective_loss(*of) == pytest.approx(expected, rel=1e-5)
    assert seen[0] == 24 and max(seen[2:]) <= 12 and seen.count(24) == 1, "it is not tried again"


def test_what_memory_holds_is_not_thought_less_of_with_every_larger_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 24, one of which did not fit: 12 at once do, and so do all of the batches that are parted for that."""
    trainer = Trainer(toy_run(eval_batch_size=24), toy_data(), CPU)
    batches = trainer.batches["test"]
    whole = [batches.batch(rows[:size], length) for rows, length in batches.plan(0)[:1] for size in (24, 20, 15, 14, 5)]
    sizes = []

    def made(part: Batch) -> Tensor:
        if len(part.ids_BN) > 12:
            raise FULL
        sizes.append(len(part.ids_BN))
        return part.labels_M

    found = list(_fitting(whole, made, CPU))
    assert sizes == [12, 12, 10, 10, 8, 7, 7, 7, 5] and sum(len(part.labels_M) for part, _ in found) == sum(sizes)


def test_validation_of_an_objective_that_cannot_be_parted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(toy_run(objective="adversarial"), toy_data(), CPU)
    roomy(trainer, 5, FULL, monkeypatch)
    with pytest.raises(MemoryExhaustedError, match=r"24 texts of .* is no mean that parts .* train\.eval_batch_size"):
        objective_loss(trainer.model, trainer.step.objective, trainer.batches["validation"], CPU, "fp32")


def test_modes_are_restored_after_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(toy_run(), toy_data(), CPU)
    model, objective, batches = trainer.model, trainer.step.objective, trainer.batches["test"]
    model.train()
    objective.train()
    frozen = next(iter(model.children())).eval()
    roomy(trainer, 0, ValueError("a fault"), monkeypatch)
    monkeypatch.setattr(model, "forward", model.detailed)
    for evaluated in (lambda: predict(model, batches, CPU, "fp32"),
                      lambda: objective_loss(model, objective, batches, CPU, "fp32")):  # fmt: skip
        with pytest.raises(ValueError, match="a fault"):
            evaluated()
        assert model.training and objective.training and not frozen.training


def test_a_smaller_micro_batch_that_is_asked_for_goes_before_what_there_was_room_for() -> None:
    trainer = Trainer(toy_run(micro_batch=4), DATA, CPU)
    for room, expected in ((16, 4), (2, 2), (0, 4)):
        learner = Learner.of_stage(trainer.model, trainer.now, CPU, ALONE, micro_batch=room)
        assert learner.step.micro_batch == expected
    assert training_step(trainer.model, trainer.now.train).micro_batch == 4, "cost is measured on it too"


def test_whatever_else_is_raised_passes() -> None:
    trainer = Trainer(toy_run(), DATA, CPU)
    cramp(trainer, 2, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        trainer.run()


def test_what_is_left_of_memory_is_remembered_by_the_checkpoint(tmp_path: Path) -> None:
    spec = toy_run(checkpoint_seconds=0.0, epochs=2)
    (tmp_path / "stopped").mkdir()
    stopped = Trainer(spec, DATA, CPU, tmp_path / "stopped", stop_at(7))
    cramp(stopped, 2)
    with pytest.raises(StopError):
        stopped.run()
    trainer, _ = finish(spec, tmp_path / "stopped")
    assert trainer.step.micro_batch == 2 and trainer.computing.reduced
    (tmp_path / "whole").mkdir()
    whole = Trainer(spec, DATA, CPU, tmp_path / "whole")
    cramp(whole, 2)
    whole.run()
    assert_same_run(tmp_path / "whole", tmp_path / "stopped", spec)


def test_a_single_text_that_does_not_fit_says_so() -> None:
    trainer = Trainer(toy_run(), DATA, CPU)
    cramp(trainer, 0)
    with pytest.raises(MemoryExhaustedError, match=r"1 texts of \d+ tokens at once, and nothing smaller .*; set a"):
        trainer.run()


def test_what_cannot_be_parted_says_so() -> None:
    trainer = Trainer(toy_run(objective="adversarial"), DATA, CPU)
    cramp(trainer, 2)
    with pytest.raises(MemoryExhaustedError, match=r"8 texts of .* 'adversarial' is no mean that parts of a batch add"):
        trainer.run()
    with pytest.raises(SpecError, match="a batch cannot be parted: the loss of objective 'adversarial'"):
        Trainer(toy_run(objective="adversarial", micro_batch=2), DATA, CPU)


def test_it_is_no_part_of_the_key_and_draws_by_place() -> None:
    assert toy_run(micro_batch=3).run_key == toy_run().run_key
    assert TrainSpec.from_dict({"micro_batch": 3}).micro_batch == 3
    logits = [Trainer(toy_run(micro_batch=3, epochs=1), toy_data(), CPU).run().test_logits_NK for _ in range(2)]
    assert torch.equal(*logits)


class NanInEvaluation(Component):
    """A norm that is one in training; in evaluation from call ``first`` on it gives NaN."""

    calls = 0

    def __init__(self, dims: Dims, *, first: int = 1) -> None:
        super().__init__()
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x
        type(self).calls += 1
        return x * float("nan") if type(self).calls >= self.first else x


@pytest.mark.parametrize(("first", "step", "split"), [(1, 5, "validation"), (2, 10, "validation"), (4, 15, "test")])
def test_answers_that_are_no_numbers_are_never_a_best_epoch(
    tmp_path: Path, first: int, step: int, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch for each of three validations, and then for the test."""
    monkeypatch.setattr(NanInEvaluation, "calls", 0)
    trainer = Trainer(toy_run(eval_batch_size=24), DATA, CPU, tmp_path)
    trainer.model.final_norm = NanInEvaluation(trainer.model.dims, first=first)  # type: ignore[assignment]
    with pytest.raises(TrainingDivergedError, match=rf"after step {step} .* {split} ") as error:
        trainer.run()
    assert error.value.step == step
    text = (tmp_path / "curve.jsonl").read_text()
    assert "NaN" not in text and all(json.loads(line) for line in text.splitlines())
    assert trainer.progress.best_epoch <= {5: -1, 10: 1, 15: 3}[step]
