"""A run that was stopped anywhere ends as one that was not; a checkpoint of another run is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from swarmformer.errors import SpecError
from swarmformer.training.loop import Trainer
from swarmformer.training.result import TrainResult
from tests.training.runs import CPU, DATA, STEPS, StopError, assert_same_run, curve, finish, stop_at
from tests.training.toys import toy_run

Whole = Callable[[float, float], tuple[Path, TrainResult]]


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
