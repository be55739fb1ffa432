"""Steps that are recorded and replayed, with a recorder that needs no GPU: it runs again what was recorded, into the
same memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.contracts import Objective
from swarmformer.errors import CaptureError, SpecError
from swarmformer.spec import TrainSpec
from swarmformer.training import captured
from swarmformer.training.captured import CAPTURE_STEPS, WARM, captures
from swarmformer.training.learner import Learner
from swarmformer.training.loop import Trainer
from swarmformer.training.objectives.cross_entropy import CrossEntropy
from swarmformer.training.objectives.masked_tokens import MaskedTokens
from swarmformer.training.ranks import ALONE
from tests.training.test_loop import CPU
from tests.training.toys import token_data, toy_data, toy_run

GPU = torch.device("cuda")


class Again:
    """Runs the work again for each replay; as when a graph is recorded, recording itself leaves nothing behind."""

    made: list[Again]

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

    memory: Callable[[], tuple[list[Tensor], list[Tensor]]]


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[Again]:
    """Of all trainers that are made from here on; they record whatever is asked for."""
    monkeypatch.setattr(Again, "made", [], raising=False)
    monkeypatch.setattr("swarmformer.training.step.CudaRecorder", Again)
    monkeypatch.setattr("swarmformer.training.learner.captures", lambda train, *of: train.capture is True)
    return Again.made


def trained(recorders: list[Again], spec: Any, data: Any, folder: Path | None = None) -> Trainer:
    trainer = Trainer(spec, data, CPU, folder)
    modules = torch.nn.ModuleList([trainer.model, trainer.step.objective])
    for recorder in recorders:
        recorder.memory = lambda: (list(modules.parameters()), list(modules.buffers()))
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
        torch.rand(3)  # other draws than those of the step
        return super().record(work)[0], lambda: None


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
        self.steps = self.steps + 1  # type: ignore[has-type]
        return kept(self, forward, batch)

    kept = CrossEntropy.loss
    monkeypatch.setattr(CrossEntropy, "loss", replaces)
    monkeypatch.setattr("swarmformer.training.learner.captures", lambda *of: True)
    trainer = Trainer(toy_run(capture="auto"), toy_data(), CPU)
    trainer.step.objective.register_buffer("steps", torch.zeros(()))
    recorders[0].memory = lambda: (list(trainer.model.parameters()), [])
    trainer.run()
    assert "a buffer is put" in trainer.computing.capture_fault


def test_answers_at_tokens_are_computed_as_usual(recorders: list[Again]) -> None:
    """As many as are asked for: batches of one padded length differ in size."""
    data = token_data(100)
    trainer = trained(recorders, toy_run("base", model={"pooling": "tokens"}, capture=True), data)
    assert not trainer.computing.captured and trainer.computing.capture_fault == ""


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
    dims = toy_run().model.dims
    assert captures(TrainSpec.from_dict({"capture": asked}), device, steps, objective(dims)) is answer


@pytest.mark.parametrize(
    ("device", "objective", "why"),
    [(CPU, CrossEntropy, "needs a CUDA device, not cpu"), (GPU, MaskedTokens, "reads values from the device")],
)
def test_what_cannot_be_recorded_is_refused(device: torch.device, objective: type[Objective], why: str) -> None:
    with pytest.raises(CaptureError, match=why):
        captures(TrainSpec.from_dict({"capture": True}), device, 1, objective(toy_run().model.dims))


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
    assert captured.TOLERANCE < 0.01


class Pass(Again):
    made: list[Again] = []

    def record(self, work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        given = torch.zeros_like(work())

        def replay() -> None:
            given.copy_(work())

        return given, replay


def test_a_pass_is_replayed_over_the_same_memory() -> None:
    x = torch.arange(4.0)
    call = captured.replayed(lambda: 2 * x, Pass(CPU))
    first = [call() for _ in range(WARM + 1)]
    assert all(torch.equal(given, 2 * x) for given in first)
    x += 1
    assert call() is first[-1] and torch.equal(first[-1], 2 * x)


def test_a_pass_that_is_not_what_it_stands_for_is_refused() -> None:
    numbers = iter(range(10))
    call = captured.replayed(lambda: torch.full((2,), float(next(numbers))), Pass(CPU))
    with pytest.raises(CaptureError, match="a replay differs from the pass"):
        [call() for _ in range(WARM + 1)]
