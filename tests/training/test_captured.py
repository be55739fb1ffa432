"""Training whose steps are recorded and replayed, and what becomes of steps that cannot be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.contracts import Model
from swarmformer.errors import CaptureError, InterruptedRunError
from swarmformer.training.captured import CapturedGradients
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.step import TrainingStep
from tests.training.replays import Again
from tests.training.runs import CPU
from tests.training.toys import toy_data, toy_run


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[Again]:
    """Of all trainers that are made from here on; they record whatever is asked for."""
    monkeypatch.setattr(Again, "made", [], raising=False)
    monkeypatch.setattr("swarmformer.training.step.CudaRecorder", Again)
    monkeypatch.setattr("swarmformer.training.learner.captures", lambda train, *of: train.capture is True)
    return Again.made


def trained(
    recorders: list[Again], spec: Any, data: Any, folder: Path | None = None, **options: Any
) -> Trainer:
    trainer = Trainer(spec, data, CPU, folder, **options)
    Again.trainer = trainer
    trainer.run()
    return trainer


SETTINGS: dict[str, dict[str, Any]] = {
    "base": {"ema_decay": 0.9},
    "base+gumbel": {"augmentation": "word_dropout"},
    "enhanced": {"label_smoothing": 0.1},
    "base+coherence_loss": {},
    "transformer": {"objective": "r_drop"},
    "lumenspark": {"objective": "adversarial"},
}


@pytest.mark.parametrize("variant", SETTINGS)
def test_replayed_training_is_the_same_bit_for_bit(variant: str, recorders: list[Again], tmp_path: Path) -> None:
    settings = {"epochs": 4, **SETTINGS[variant]}
    (tmp_path / "usual").mkdir(), (tmp_path / "replayed").mkdir()
    usual = trained([], toy_run(variant, capture=False, **settings), toy_data(100), tmp_path / "usual")
    replayed = trained(recorders, toy_run(variant, capture=True, **settings), toy_data(100), tmp_path / "replayed")
    assert replayed.computing.captured and not usual.computing.captured
    assert replayed.step.graphs is not None and len(replayed.step.graphs.recorded) == 2  # the padded lengths, and
    assert recorders[0].shapes == 2  # none of the shorter batch that ends an epoch
    assert (tmp_path / "usual/curve.jsonl").read_text() == (tmp_path / "replayed/curve.jsonl").read_text()
    for name, tensor in usual.model.state_dict().items():
        assert torch.equal(tensor, replayed.model.state_dict()[name]), name


class Stands(Again):
    """Replays that change nothing, as where a value stood still in the graph."""

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        before = self.random()
        torch.rand(3)  # other draws than those of the step
        told, _ = super().record(work)
        self.set_random(before)
        return told, lambda: None


class Waits(Again):
    @contextmanager
    def unread(self) -> Iterator[None]:
        raise RuntimeError("called a synchronizing CUDA operation")
        yield


@pytest.mark.parametrize(("recorder", "fault"), [(Stands, "a replay differs"), (Waits, "synchronizing")])
def test_a_step_that_cannot_be_recorded_is_computed_as_usual(
    recorder: type[Again], fault: str, recorders: list[Again], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmformer.training.step.CudaRecorder", recorder)
    monkeypatch.setattr("swarmformer.training.learner.captures", lambda *of: True)
    trainer = trained(recorders, toy_run(capture="auto"), toy_data())
    assert not trainer.computing.captured and fault in trainer.computing.capture_fault
    usual = trained([], toy_run(capture=False), toy_data()) if monkeypatch.undo() is None else trainer
    for name, tensor in usual.model.state_dict().items():
        assert torch.equal(tensor, trainer.model.state_dict()[name]), name


def test_it_is_an_error_where_it_was_asked_for(recorders: list[Again], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmformer.training.step.CudaRecorder", Waits)
    with pytest.raises(CaptureError, match=r"train\.capture: true, but a step cannot be recorded: called"):
        trained(recorders, toy_run(capture=True), toy_data())


def test_a_buffer_that_is_replaced_is_seen(recorders: list[Again], monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph would go on reading the old one."""

    def replaces(self: CrossEntropy, forward: Any, batch: Any) -> Any:
        held.append(self.steps)  # type: ignore[has-type]
        self.steps = self.steps + 1
        return kept(self, forward, batch)

    kept, held = CrossEntropy.loss, list[Tensor]()  # held, so that no memory is used again: a place tells them apart
    monkeypatch.setattr(CrossEntropy, "loss", replaces)
    monkeypatch.setattr("swarmformer.training.learner.captures", lambda *of: True)
    trainer = Trainer(toy_run(capture="auto"), toy_data(), CPU)
    trainer.step.objective.register_buffer("steps", torch.zeros(()))
    Again.trainer = trainer
    trainer.run()
    assert "a buffer or parameter is put" in trainer.computing.capture_fault


def test_a_buffer_that_is_replaced_between_steps_is_seen(
    recorders: list[Again], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a ``set_progress`` that does not write in place: a graph would read memory that was given back."""

    def replaces(self: Any, done: float) -> None:
        self.kept = [*getattr(self, "kept", []), torch.tensor(done)]  # so that no memory is used again
        self.register_buffer("done", self.kept[-1])

    monkeypatch.setattr(Model, "set_progress", replaces)
    with pytest.raises(CaptureError, match=r"a buffer or parameter is put .* start the run anew"):
        trained(recorders, toy_run(capture=True, epochs=4), toy_data())


class Drifts(Again):
    """Replays that are right for a while, as where a value of the host follows the training."""

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        told, replay = super().record(work)
        replays = 0

        def stale() -> None:
            nonlocal replays
            replay()
            replays += 1
            if replays > 2:
                self.memory()[0][0].grad.mul_(1.5)  # type: ignore[union-attr]
                told.mul_(1.5)

        return told, stale


def test_a_value_that_stands_still_is_found_later_and_ends_the_run(
    recorders: list[Again], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmformer.training.step.CudaRecorder", Drifts)
    monkeypatch.setattr("swarmformer.training.captured.CHECK_EVERY", 5)
    monkeypatch.setattr("swarmformer.training.learner.captures", lambda *of: True)
    with pytest.raises(CaptureError, match=r"a replay differs .* start the run anew"):
        trained(recorders, toy_run(capture="auto", epochs=9), toy_data())


class Full(Again):
    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        try:
            raise torch.OutOfMemoryError("no room")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")


def test_memory_that_ends_while_a_step_is_recorded_is_no_error(
    recorders: list[Again], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmformer.training.step.CudaRecorder", Full)
    trainer = trained(recorders, toy_run(capture=True), toy_data())
    assert not trainer.computing.captured and "previous error" in trainer.computing.capture_fault


@pytest.mark.parametrize(("times", "texts"), [(1, 0), (2, 4)])
def test_memory_that_ends_beside_graphs_costs_them_first(
    times: int, texts: int, recorders: list[Again], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are what else there is in it: a batch is parted where it does not fit without them either."""
    ends, events = list[int](), list[str]()
    kept, forget, anew = TrainingStep._gradients, CapturedGradients.forget, TrainingStep._start_anew

    def gradients(self: TrainingStep, *of: Any) -> Any:
        if ends:
            ends.pop()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to …")
        return kept(self, *of)

    monkeypatch.setattr(TrainingStep, "_gradients", gradients)
    monkeypatch.setattr(CapturedGradients, "forget", lambda self: (events.append("forget"), forget(self)))
    monkeypatch.setattr(TrainingStep, "_start_anew", lambda self: (events.append("empty"), anew(self)))
    spec, data = toy_run(capture=True, epochs=4), toy_data(100)
    full = lambda done, total, words: ends.extend(range(times)) if done == 17 else None  # noqa: E731
    trainer = trained(recorders, spec, data, on_step=full)
    assert events[:2] == ["forget", "empty"] and recorders[0].shapes == 2
    assert not trainer.computing.captured and trainer.computing.capture_fault == "memory ended"
    assert trainer.computing.micro_batch == texts and trainer.computing.reduced is bool(texts)
    usual = trained([], toy_run(capture=False, epochs=4), data)
    assert (trainer.progress.validations == usual.progress.validations) is (times == 1)  # parts draw otherwise


def test_a_step_that_is_rounded_anew_each_time_is_replayed_all_the_same(
    recorders: list[Again], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where many sums of a GPU are in any order: twice as usual it is as far from itself."""
    factors, kept = cycle([1.0, 1.003, 0.997]), CrossEntropy.loss

    def rounded(self: CrossEntropy, forward: Any, batch: Any) -> Any:
        loss = kept(self, forward, batch)
        return replace(loss, total=loss.total * next(factors))

    monkeypatch.setattr(CrossEntropy, "loss", rounded)
    monkeypatch.setattr("swarmformer.training.captured.CHECK_EVERY", 5)
    trainer = trained(recorders, toy_run(capture=True, epochs=4), toy_data(100))
    assert trainer.computing.captured and trainer.computing.capture_fault == ""


class Frozen(Again):
    """What the host draws is as it was when the step was recorded, as in a graph."""

    def record(self, work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, Callable[[], None]]:
        drawn = random.getstate()
        told, replay = super().record(work)

        def again() -> None:
            now = random.getstate()
            random.setstate(drawn)
            replay()
            random.setstate(now)

        return told, again


@pytest.mark.parametrize("seed", range(6))
def test_what_the_host_draws_is_not_taken_for_rounding(
    seed: int, recorders: list[Again], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Computed as usual twice such a step is far from itself too."""
    kept = CrossEntropy.loss

    def noisy(self: CrossEntropy, forward: Any, batch: Any) -> Any:
        loss = kept(self, forward, batch)
        return replace(loss, total=loss.total * random.uniform(0.5, 1.5))

    random.seed(seed)
    monkeypatch.setattr(CrossEntropy, "loss", noisy)
    monkeypatch.setattr("swarmformer.training.step.CudaRecorder", Frozen)
    monkeypatch.setattr("swarmformer.training.captured.CHECK_EVERY", 5)
    with pytest.raises(CaptureError, match="differs from the step that it stands for"):
        trained(recorders, toy_run(capture=True, epochs=4), toy_data(100))


def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(recorders: list[Again], tmp_path: Path) -> None:
    """Shapes are recorded anew, at other steps than before."""
    spec, data = toy_run(capture=True, epochs=4, checkpoint_seconds=0), toy_data(100)
    whole = trained(recorders, spec, data)

    def stop(done: int, total: int, words: str) -> None:
        if done == 17:
            raise InterruptedRunError

    recorders.clear()
    with pytest.raises(InterruptedRunError):
        trained(recorders, spec, data, tmp_path, on_step=stop)
    recorders.clear()
    again = trained(recorders, spec, data, tmp_path)
    assert again.computing.captured
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_each_stage_records_its_own(recorders: list[Again], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = lambda train, device, steps, model, objective, ranks: not objective.reads_values  # noqa: E731
    monkeypatch.setattr("swarmformer.training.learner.captures", asked)
    spec = toy_run(epochs=3, stages=[{"name": "masked_tokens"}, {"name": "supervised"}])
    trainer = trained(recorders, spec, toy_data(100))
    assert trainer.computing.captured and len(recorders) == 1
