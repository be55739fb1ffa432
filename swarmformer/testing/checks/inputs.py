"""What a component is given belongs to whoever gives it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.drive import MASKED_SLOTS, TENSOR_SLOTS, chunks, inputs, masks, usual_length
from swarmformer.testing.require import require

B = 3
WORDS = {"x": "states", "mask": "mask", "c": "states of clusters", "signal": "signal"}


@check(*TENSOR_SLOTS)
def inputs_are_left_alone(case: Case) -> None:
    """Ids or states, masks and signals are after a pass what they were before, in training and in evaluation."""
    component = case.build()
    for given in _given(case):
        for mode in ("training", "evaluation"):
            component.train(mode == "training")
            handed = {name: value.clone() for name, value in given.items()}
            with torch.set_grad_enabled(component.training):
                _pass(case.slot, component, handed)
            for name, value in given.items():
                what = "ids" if not value.is_floating_point() and name == "x" else WORDS[name]
                same = torch.equal(value, handed[name].detach())
                require(same, f"in {mode} it changes its input in place, the {what}: work on a copy")


def _given(case: Case) -> Iterator[dict[str, Tensor]]:
    """What is passed, without a mask and with each of a spread; what clusters hold or send back, and their weights."""
    slot, N = case.slot, usual_length(case)
    C = N if slot == "cluster" else -(-N // DIMS.cluster_size)
    given = {"x": inputs(slot, B, N), "c": inputs("cluster", B, C, seed=3), "signal": inputs("cluster", B, C)[..., 0]}
    yield given
    if slot in MASKED_SLOTS:
        yield from ({**given, "mask": mask} for _, mask in masks(B, N))


def _pass(slot: str, component: Any, given: Mapping[str, Tensor]) -> None:
    x, mask = given["x"], given.get("mask")
    if slot in ("embedding", "norm"):
        component(x)
    elif slot == "local":
        component(x, mask, None)
    elif slot == "cluster":
        component(x, mask, None, given["signal"])
    elif slot == "router":
        assignment = component(x, mask, DIMS.cluster_size)
        assignment.pool(x)
        assignment.broadcast(given["c"])
    elif slot == "feedback":
        assignment = chunks(x, mask)
        assignment.signal_BC = given["signal"]
        component(x, given["c"], assignment, None)
    else:
        component(x, mask)
