"""Whether steps are recorded: where it may pay, where it cannot be, and that no key depends on it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from swarmformer.assembly import assemble
from swarmformer.contracts import Objective
from swarmformer.errors import CaptureError, SpecError
from swarmformer.spec import TrainSpec
from swarmformer.training.captured import CAPTURE_STEPS, captures
from swarmformer.training.learner import Learner
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.objectives.masked_tokens import MaskedTokens
from swarmformer.training.ranks import ALONE
from swarmformer.training.recorder import WARM
from tests.training.runs import CPU
from tests.training.toys import toy_data, toy_run

GPU = torch.device("cuda")


@pytest.mark.parametrize(
    ("asked", "device", "steps", "objective", "answer"),
    [
        (False, GPU, CAPTURE_STEPS, CrossEntropy, False), (True, GPU, WARM, CrossEntropy, True),
        ("auto", GPU, CAPTURE_STEPS, CrossEntropy, True), ("auto", GPU, CAPTURE_STEPS - 1, CrossEntropy, False),
        ("auto", CPU, CAPTURE_STEPS, CrossEntropy, False), ("auto", GPU, CAPTURE_STEPS, MaskedTokens, False),
    ],
)  # fmt: skip
def test_auto_records_where_it_may_pay(
    asked: Any, device: torch.device, steps: int, objective: type[Objective], answer: bool
) -> None:
    model = assemble(toy_run().model)
    assert captures(TrainSpec.from_dict({"capture": asked}), device, steps, model, objective(model.dims)) is answer


@pytest.mark.parametrize(
    ("device", "objective", "variant", "settings", "why"),
    [
        (CPU, CrossEntropy, "base", {}, "needs a CUDA device, not cpu"),
        (GPU, MaskedTokens, "base", {}, "reads values from the device"),
        (GPU, CrossEntropy, "transformer_lm", {}, "answers at tokens"),
        (GPU, CrossEntropy, "base", {"micro_batch": 2}, "batches in parts"),
        (GPU, CrossEntropy, "base", {"ranks": 2}, "batches in parts"),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    device: torch.device, objective: type[Objective], variant: str, settings: dict[str, Any], why: str
) -> None:
    model = assemble(toy_run(variant, model={"pooling": "mean"} if variant == "base" else None).model)
    ranks = settings.pop("ranks", 1)
    train = TrainSpec.from_dict({"capture": True, **settings})
    with pytest.raises(CaptureError, match=why):
        captures(train, device, 1, model, objective(model.dims), ranks)


@pytest.mark.parametrize(
    ("asked", "capture", "compiled"),
    [("auto", True, False), ("auto", False, True), (True, True, True), (False, False, False)],
)
def test_auto_compiles_what_is_not_replayed(
    asked: Any, capture: bool, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(toy_run(compile=asked, capture=False), toy_data(), CPU)
    made = dict[str, Any]()
    monkeypatch.setattr("swarmformer.training.learner.captures", lambda *of: capture)
    monkeypatch.setattr("swarmformer.training.learner.compiles", lambda train, *of: train.compile is not False)
    monkeypatch.setattr("swarmformer.training.learner.TrainingStep", lambda *of, **_: made.update(train=of[3]))
    Learner.of_stage(trainer.model, trainer.now, CPU, ALONE)
    assert (made["train"].capture, made["train"].compile) == (capture, compiled)


def test_whether_steps_are_replayed_is_no_part_of_the_key() -> None:
    assert toy_run(capture=True).run_key == toy_run(capture=False).run_key == toy_run().run_key
    with pytest.raises(SpecError, match="true, false or 'auto'"):
        TrainSpec.from_dict({"capture": "sometimes"})
