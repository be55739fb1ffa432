"""Every objective with every augmentation, alone and after pretraining: what each promises holds beside the others."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.registry import list_components
from swarmformer.training.loop import Trainer
from tests.training.runs import CPU, DATA, StopError, assert_same_run, curve, finish, stop_at
from tests.training.toys import toy_run

OPTIONS: dict[str, dict[str, Any]] = {"word_dropout": {"rate": 0.3, "replace_by": 3}}
FIRST = {"name": "masked_tokens", "epochs": 2, "share": 0.3, "lr": 0.02}
STEPS = 5  # of an epoch: 40 texts in batches of 8


def names(slot: str) -> list[str]:
    """What is registered here, without what plug-ins bring and without what pretraining learns."""
    shipped = [entry.name for entry in list_components(slot) if entry.origin.startswith("swarmformer.")]
    return [name for name in shipped if name != FIRST["name"]]


def combinations() -> list[Any]:
    found = []
    for objective, augmentation, pretrained in product(names("objective"), names("augmentation"), (False, True)):
        words = f"{objective}, {augmentation}" + (", pretrained" if pretrained else "")
        found.append(pytest.param(trained_by(objective, augmentation, pretrained), id=words))
    return found


def trained_by(objective: str, augmentation: str, pretrained: bool) -> dict[str, Any]:
    return {
        "objective": objective, "augmentation": {"name": augmentation, **OPTIONS.get(augmentation, {})},
        "stages": [*([FIRST] if pretrained else []), {"name": "supervised", "epochs": 2}],
        "ema_decay": 0.5, "lr": 0.01, "checkpoint_seconds": 0.0,
    }  # fmt: skip


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}


@pytest.mark.parametrize("train", combinations())
def test_a_stopped_run_ends_as_one_that_was_never_stopped(tmp_path: Path, train: dict[str, Any]) -> None:
    """Stopped within the first epoch, and at the first step after two, where the next stage begins if there are two."""
    spec = toy_run(**train)
    finish(spec, tmp_path / "whole")
    (tmp_path / "stopped").mkdir()
    for step in (3, 2 * STEPS + 1) if len(train["stages"]) == 2 else (3, STEPS + 1):
        with pytest.raises(StopError):
            Trainer(spec, DATA, CPU, tmp_path / "stopped", stop_at(step)).run()
        torch.manual_seed(12345)  # what happens in between must not matter
    finish(spec, tmp_path / "stopped")
    assert_same_run(tmp_path / "whole", tmp_path / "stopped", spec)


@pytest.mark.parametrize("train", combinations())
def test_a_stage_moves_what_its_objective_reads_and_nothing_else(train: dict[str, Any]) -> None:
    """Of hidden tokens that is all but the classifier, which no decay touches either; of labels it is everything."""
    trainer = Trainer(toy_run(**train, weight_decay=0.1), DATA, CPU)
    ends = {stage.end: stage.name for stage in trainer.stages}
    seen = {"": weights(trainer)}

    def on_step(done: int, total: int, words: str) -> None:
        if done in ends:
            seen[ends[done]] = weights(trainer)

    trainer.on_step = on_step
    trainer.run()
    everything = set(seen[""])
    states = {name for name in everything if not name.startswith("classifier")}
    reads = {"masked_tokens": states, "supervised": everything}
    for before, after in pairwise(seen):
        assert {name for name in everything if not torch.equal(seen[before][name], seen[after][name])} == reads[after]


@pytest.mark.parametrize("train", combinations())
def test_the_losses_fall(tmp_path: Path, train: dict[str, Any]) -> None:
    """Of every stage, in evaluation, where nothing is dropped: below that of the weights it began with."""
    stages = [{**stage, "epochs": 4} for stage in train["stages"]]
    finish(toy_run(**{**train, "stages": stages}), tmp_path)
    losses: dict[object, list[float]] = {}
    for line in curve(tmp_path):
        if str(line["kind"]).endswith("validation"):
            losses.setdefault(line.get("stage"), []).append(float(str(line["loss"])))
    assert len(losses) == len(stages)
    for of_stage in losses.values():
        assert min(of_stage[1:]) < of_stage[0]
