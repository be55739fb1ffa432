from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from swarmformer.contracts import Dims, Model, ModelOutput
from swarmformer.cost import timing

DIMS = Dims(vocab_size=50, d_model=8, num_layers=1, cluster_size=4, seq_len=16, num_classes=3)


class FakeModel(Model):
    """Does what the test says on each call; claims the FLOPs the test says."""

    def __init__(self, dims: Dims = DIMS, *, on_call=lambda ids, mask: None, flops: int = 0) -> None:
        super().__init__()
        self.dims, self.on_call, self.claimed = dims, on_call, flops
        self.inner = nn.Sequential(nn.Linear(dims.d_model, dims.d_model), nn.Dropout(0.5))

    def detailed(self, ids_BN, mask_BN=None):
        special = self.on_call(ids_BN, mask_BN)
        plain = torch.zeros(len(ids_BN), self.dims.num_classes)
        return ModelOutput(plain if special is None else special)

    def flops(self, B: int, N: int) -> int:
        return self.claimed


class WrappedModel(Model):
    """Any module from x_BND to anything, behind a token table."""

    def __init__(self, dims: Dims, body: nn.Module) -> None:
        super().__init__()
        self.dims, self.table, self.body = dims, nn.Embedding(dims.vocab_size, dims.d_model), body

    def detailed(self, ids_BN, mask_BN=None):
        return ModelOutput(self.body(self.table(ids_BN)))

    def flops(self, B: int, N: int) -> int:
        raise NotImplementedError


class Clock:
    """Stands still unless told to advance."""

    def __init__(self) -> None:
        self.ns = 0

    @property
    def s(self) -> float:
        return self.ns * 1e-9

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


@pytest.fixture
def dims() -> Dims:
    return DIMS


@pytest.fixture
def fake_model() -> type[FakeModel]:
    return FakeModel


@pytest.fixture
def wrap() -> Callable[[Dims, nn.Module], Model]:
    return WrappedModel


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter_ns", lambda: clock.ns)
    return clock


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
