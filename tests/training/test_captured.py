"""Steps that are recorded and replayed, with a recorder that needs no GPU: it runs again what was recorded, into the
same memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.assembly import assemble
from swarmformer.contracts import Model, Objective
from swarmformer.errors import CaptureError, InterruptedRunError, SpecError
from swarmformer.spec import TrainSpec
from swarmformer.training.captured import CAPTURE_STEPS, CapturedGradients, captures
from swarmformer.training.learner import Learner
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.objectives.masked_tokens import MaskedTokens
from swarmformer.training.ranks import ALONE
from swarmformer.training.recorder import WARM, CudaRecorder, replayed
from swarmformer.training.step import TrainingStep
from tests.training.runs import CPU
from tests.training.toys import toy_data, toy_run

GPU = torch.device("cuda")


class Again:
    """Runs the work again for each replay; as when a graph is recorded, recording itself leaves nothing behind."""

    made: list[Again]
    trainer: Trainer

    def __init__(self, device: torch.device) -> None:
        self.shapes = 0
        self.made.append(self)

    def aside(self) -> Any:
        return nullcontext()

    def unread(self) -> Any:
        return nullcontext()

    def random(self) -> Tensor:
        return torch.get_rng_state()

    def set_random(self, state: Tensor) -> None:
        torch.set_rng_state(state)

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        self.shapes += 1
        parameters, buffers = self.memory()
        before, values = torch.get_rng_state(), [buffer.clone() for buffer in buffers]
        told = work()
        gradients = [parameter.grad for parameter in parameters]
        torch.set_rng_state(before)
        for buffer, value in zip(buffers, values, strict=True):
            buffer.copy_(value)

        def replay() -> None:
            for parameter in parameters:
                parameter.grad = None
            told.copy_(work())
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None and parameter.grad is not None:
                    gradient.copy_(parameter.grad)

        return told, replay

    def memory(self) -> tuple[list[torch.nn.Parameter], list[Tensor]]:
        """What the step writes to besides its output."""
        modules = torch.nn.ModuleList([self.trainer.model, self.trainer.step.objective])
        return list(modules.parameters()), list(modules.buffers())


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


class Pass(Again):
    made: list[Again] = []

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        given = torch.zeros_like(work())

        def replay() -> None:
            given.copy_(work())

        return given, replay


def test_a_pass_is_replayed_over_the_same_memory() -> None:
    x = torch.arange(4.0)
    call = replayed(lambda: 2 * x, Pass(CPU))
    first = [call() for _ in range(WARM + 1)]
    assert all(torch.equal(given, 2 * x) for given in first)
    x += 1
    assert call() is first[-1] and torch.equal(first[-1], 2 * x)


def test_a_pass_of_almost_nothing_may_differ_by_rounding() -> None:
    values = iter([0.0, 0.0, 1e-8, 2e-8, 2e-8, 2e-8])
    call = replayed(lambda: torch.full((2,), next(values)), Pass(CPU))
    assert all(float(call().abs().max()) < 1e-6 for _ in range(WARM + 1))


class Streams:
    """Of a device: which is the current one, and who waits for whom."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = list[str]()
        for name, value in {"graph_pool_handle": lambda: None, "synchronize": self.told("synchronize"),
                            "empty_cache": self.told("empty"), "CUDAGraph": lambda: self,
                            "Stream": lambda device: self.stream("side"), "stream": lambda stream: nullcontext(),
                            "current_stream": lambda device: self.stream("usual")}.items():  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, value)

    def told(self, word: str) -> Callable[..., None]:
        return lambda *of, **options: self.waits.append(word)

    def stream(self, name: str) -> Any:
        return SimpleNamespace(name=name, wait_stream=lambda other: self.waits.append(f"{name} for {other.name}"))

    def __getattr__(self, name: str) -> Any:
        return self.told(name)


def test_the_usual_stream_waits_for_the_side_stream_after_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    with pytest.raises(ValueError, match="a fault"), CudaRecorder(GPU).aside():
        raise ValueError("a fault")
    assert streams.waits == ["side for usual", "usual for side"]


def test_memory_is_given_back_before_a_step_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    CudaRecorder(GPU).record(lambda: torch.zeros(1))
    assert streams.waits == ["synchronize", "empty", "side for usual", "capture_begin", "capture_end", "usual for side"]


def test_a_pass_that_is_not_what_it_stands_for_is_refused() -> None:
    numbers = iter(range(10))
    call = replayed(lambda: torch.full((2,), float(next(numbers))), Pass(CPU))
    with pytest.raises(CaptureError, match="a replay differs from the pass"):
        [call() for _ in range(WARM + 1)]
