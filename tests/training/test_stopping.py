"""Early stopping: when a stage ends, what is counted then, and that it goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from swarmformer.training.loop import Trainer
from swarmformer.training.result import TrainResult
from swarmformer.training.stages.supervised import Supervised
from tests.training.runs import CPU, DATA, StopError, assert_same_run, curve, finish, stop_at
from tests.training.toys import toy_run

Whole = Callable[[float], tuple[Path, TrainResult]]
METRICS = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "loss": 0.7, "n": 24}
EPOCH = 5
"""Steps: 40 examples in batches of 8."""
QUICK = ((7, False), (10, True), (11, True), (20, False))
"""Steps at which to stop, each with one of the two ways to write checkpoints: enough unless there is time."""


def scripted(monkeypatch: pytest.MonkeyPatch, scores: Sequence[float]) -> None:
    """Validation accuracies by the number of the epoch within the run, whoever asks."""

    def validate(self: Supervised, judge: Any) -> dict[str, float]:
        return {**METRICS, "accuracy": scores[judge.reader.progress.epoch]}

    monkeypatch.setattr(Supervised, "validate", validate)


def epochs_by_hand(scores: Sequence[float], patience: int, least: int) -> int:
    """Epochs taken: the first at which ``patience`` epochs lie behind the best one, ``least`` at the earliest."""
    for epoch in range(1, len(scores) + 1):
        best = scores.index(max(scores[:epoch])) + 1
        if patience and epoch >= least and epoch - best >= patience:
            return epoch
    return len(scores)


RISING_THEN_FLAT = [0.5, 0.6, 0.6, 0.55, 0.7, 0.7, 0.7, 0.7]


@pytest.mark.parametrize(
    ("patience", "least", "stops"), [(0, 0, 8), (1, 0, 3), (2, 0, 4), (3, 0, 8), (1, 4, 4), (2, 5, 7), (1, 8, 8)]
)
def test_patience_ends_a_stage(monkeypatch: pytest.MonkeyPatch, patience: int, least: int, stops: int) -> None:
    assert epochs_by_hand(RISING_THEN_FLAT, patience, least) == stops
    scripted(monkeypatch, RISING_THEN_FLAT)
    _, result = finish(toy_run(epochs=8, patience=patience, min_epochs=least))
    assert (result.epochs, result.steps) == (stops, EPOCH * stops)
    assert result.stopped == ((stops,) if stops < 8 else ())
    best = RISING_THEN_FLAT[:stops]
    assert result.best_epoch == best.index(max(best)) + 1


def test_the_schedule_is_that_of_the_planned_epochs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run that stops is the beginning of one that does not, line by line."""
    scripted(monkeypatch, [0.6, 0.5, 0.5, 0.5])
    _, long = finish(toy_run(epochs=4), tmp_path / "long")
    _, short = finish(toy_run(epochs=4, patience=1), tmp_path / "short")
    *lines, test = curve(tmp_path / "short")
    assert (short.steps, long.steps) == (2 * EPOCH, 4 * EPOCH)
    assert lines == curve(tmp_path / "long")[: len(lines)]
    assert (test["kind"], test["step"]) == ("test", 2 * EPOCH)
    assert torch.equal(short.test_logits_NK, long.test_logits_NK)


STAGES: dict[str, Any] = {"stages": [{"name": "supervised", "patience": 1, "epochs": 4}, "supervised"], "epochs": 2}
TWO = [0.6, 0.5, 0.5, 0.6]
"""Of the first stage two epochs of four, of the second both."""


def test_the_next_stage_has_its_whole_schedule(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its learning rates are those after a stage that took all of its epochs; steps and epochs go on counting."""
    scripted(monkeypatch, TWO)
    _, result = finish(toy_run(**STAGES), tmp_path / "stopped")
    assert (result.steps, result.epochs, result.stopped, result.best_epoch) == (4 * EPOCH, 4, (2,), 4)
    monkeypatch.undo()
    finish(toy_run(stages=[{"name": "supervised", "epochs": 4}, "supervised"], epochs=2), tmp_path / "whole")
    curves = (curve(tmp_path / name) for name in ("stopped", "whole"))
    rates = [[line["lr"] for line in lines if line["kind"] == "train"] for lines in curves]
    assert rates[0] == rates[1] and len(rates[0]) == 2
    steps = [line["step"] for line in curve(tmp_path / "stopped") if line["kind"] == "validation"]
    assert steps == [3 * EPOCH, 4 * EPOCH]


def test_the_least_epochs_of_a_stage_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops after its third epoch, the fifth of the run, though patience is at its end after the second."""
    scripted(monkeypatch, falling := [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    assert [epochs_by_hand(falling[2:], 1, least) for least in (3, 1)] == [3, 2], "two if those before it counted"
    stages = [{"name": "supervised", "epochs": 2}, {"name": "supervised", "epochs": 5, "patience": 1, "min_epochs": 3}]
    _, result = finish(toy_run(stages=stages))
    assert (result.epochs, result.stopped, result.best_epoch) == (5, (5,), 3)


SMOOTH: dict[str, Any] = {**STAGES, "ema_decay": 0.9, "ema_warmup": True}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The run with checkpoints this often that nobody kills, and its folder."""

    @cache
    def run(checkpoint_seconds: float) -> tuple[Path, TrainResult]:
        folder = tmp_path_factory.mktemp("whole")
        with pytest.MonkeyPatch.context() as monkeypatch:
            scripted(monkeypatch, TWO)
            return folder, finish(toy_run(**SMOOTH, checkpoint_seconds=checkpoint_seconds), folder)[1]

    return run


@pytest.mark.parametrize(
    ("stop", "every_step"),
    [
        *QUICK,
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in product((7, 10, 11, 17, 20), (True, False))
            if case not in QUICK
        ),
    ],
)
def test_a_run_that_stopped_early_is_resumed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, whole: Whole, stop: int, every_step: bool
) -> None:
    """Killed before the early end, at it, and after it: the same weights, counts and curve."""
    scripted(monkeypatch, TWO)
    spec = toy_run(**SMOOTH, checkpoint_seconds=0.0 if every_step else 1e9)
    folder, expected = whole(spec.train.checkpoint_seconds)
    (tmp_path / "killed").mkdir()
    with pytest.raises(StopError):
        Trainer(spec, DATA, CPU, tmp_path / "killed", stop_at(stop)).run()
    _, resumed = finish(spec, tmp_path / "killed")
    assert_same_run(folder, tmp_path / "killed", spec)
    assert (resumed.stopped, resumed.steps, resumed.epochs) == (expected.stopped, expected.steps, expected.epochs)
    _, again = finish(spec, tmp_path / "killed")
    assert torch.equal(again.test_logits_NK, expected.test_logits_NK) and again.steps == expected.steps


def test_the_average_warms_up(tmp_path: Path) -> None:
    """After t steps it keeps min(decay, (1 + t) / (10 + t)) of itself; it starts as the weights of the first step."""
    seen: list[torch.Tensor] = []
    trainer = Trainer(
        toy_run(ema_decay=0.3, ema_warmup=True, epochs=1),
        DATA,
        CPU,
        on_step=lambda *words: seen.append(trainer.model.classifier.weight.detach().clone()),
    )
    trainer.run()
    average = seen[0]
    for t, weights in enumerate(seen[1:], 1):
        keep = min(0.3, (1 + t) / (10 + t))
        average = keep * average + (1 - keep) * weights
    assert (1 + 1) / (10 + 1) < 0.3 < (1 + 4) / (10 + 4), "both sides of the minimum are seen"
    assert torch.allclose(trainer.model.classifier.weight, average, atol=1e-6)
