"""The arms of neighbouring clusters are held against whole matrices before they are timed."""

from __future__ import annotations

import pytest
import torch

from experiments.speed import routing
from swarmformer.assignment.reach import Nearby
from swarmformer.testing import ViolationError

SIZE = {"short": 40, "long": 160, "batch": 2, "d_model": 8, "cluster_size": 4, "radius": 1}


def test_each_length_has_its_arm() -> None:
    arms = routing.group(**SIZE).arms
    assert {name: arm.call().shape for name, arm in arms.items()} == {
        "40 tokens": (1, 40, 8), "160 tokens": (1, 160, 8),
    }  # fmt: skip


def test_no_card_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda card: pytest.fail("CUDA was started"))
    assert routing.group(**SIZE).arms


def test_a_router_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Nearby.spread
    monkeypatch.setattr(Nearby, "spread", lambda self, weights, c: right(self, weights, c) * 1.001)
    with pytest.raises(ViolationError, match="broadcast"):
        routing.group(**SIZE)
