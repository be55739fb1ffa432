"""The arms of neighbouring clusters are held against whole matrices before they are timed."""

from __future__ import annotations

import pytest
import torch

from experiments.speed import routing
from swarmformer.assignment.reach import Nearby
from swarmformer.testing import ViolationError

SIZE = {"lengths": (40, 160), "batch": 2, "d_model": 8, "cluster_size": 4, "radius": 1}


def test_each_length_has_its_calls_and_they_agree() -> None:
    short, long = routing.arms(**SIZE)
    assert (short.length, long.length) == (40, 160)
    for arm in (short, long):
        whole = arm.evaluate_whole()
        assert whole.shape == (2, arm.length, 8)
        torch.testing.assert_close(arm.evaluate()[0], whole[-1])
        gradient = arm.train()
        assert gradient.shape == whole.shape and gradient.abs().sum() > 0


def test_a_router_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Nearby.spread
    monkeypatch.setattr(Nearby, "spread", lambda self, weights, c: right(self, weights, c) * 1.001)
    with pytest.raises(ViolationError, match="broadcast"):
        routing.arms(**SIZE)
