"""Single passes that are recorded and replayed, and what CUDA is asked for then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from swarmformer.errors import CaptureError
from swarmformer.training.recorder import WARM, CudaRecorder, replayed
from tests.training.replays import Again
from tests.training.runs import CPU

GPU = torch.device("cuda")


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
