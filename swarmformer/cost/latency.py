"""How long a forward pass takes: all arms side by side, so that a drifting machine hits all alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
import torch

from swarmformer.cost.probe import check_output, evaluating, random_inputs
from swarmformer.cost.timing import no_garbage_collection, now_s, seconds, torch_threads
from swarmformer.errors import SpecError
from swarmformer.interfaces import Model

WARM_UP_CALLS = 3
WARM_UP_S = 0.1
"""After the first call, which is never timed, warm-up goes on for so many calls or until so many seconds."""

SETTLE_BELOW_S = 10e-3
"""A call shorter than this is made once untimed before it is timed, so that it finds its weights in
the cache and does not pay for the arm before it. A longer call does not notice."""


class LatencyRow(TypedDict):
    arm: str
    batch: int
    length: int
    median_s: float
    p20_s: float
    p80_s: float
    p95_s: float
    repeats: int


@dataclass
class _Arm:
    name: str
    call: Callable[[], object]
    settle: bool = False
    samples: list[float] = field(default_factory=list)


def measure_latency(
    arms: Mapping[str, Model],
    *,
    batches: Sequence[int] = (1, 32),
    length: int,
    device: torch.device,
    threads: int,
    budget_s: float = 20.0,
    min_repeats: int = 3,
    max_repeats: int = 100,
    seed: int = 0,
) -> list[LatencyRow]:
    """Time single forward passes, in rounds: each round times every arm once, in a fresh random order.

    Evaluation and inference mode, fp32 as it comes, fixed shapes, every token real but masked. The
    models are moved to ``device``, and should not be trained afterwards: what they cache while being
    timed carries no gradient.

    Args:
        arms: name → model.
        batches: batch sizes; each gets an equal share of the time that is left when its turn comes.
        length: tokens per text.
        budget_s: start no round after so many seconds; overrun only to reach ``min_repeats``.

    Returns:
        One row per batch and arm: median and percentiles of seconds per call, and how many calls.

    Raises:
        SpecError: no arms, or a number that makes no sense.
        OutputError: an arm whose output is not finite or has the wrong shape.
    """
    _check(arms, batches, length, min_repeats, max_repeats)
    order, end = random.Random(seed), now_s() + budget_s
    rows: list[LatencyRow] = []
    with ExitStack() as stack:
        stack.enter_context(torch_threads(threads))
        stack.enter_context(no_garbage_collection())
        for model in arms.values():
            stack.enter_context(evaluating(model.to(device)))
        stack.enter_context(torch.inference_mode())
        for done, batch in enumerate(batches):
            deadline = now_s() + (end - now_s()) / (len(batches) - done)
            ready = [_prepare(name, model, batch, length, device, seed) for name, model in arms.items()]
            _time_rounds(ready, device, order, deadline, min_repeats, max_repeats)
            rows += [_row(arm, batch, length) for arm in ready]
    return rows


def _check(arms: Mapping[str, Model], batches: Sequence[int], length: int, least: int, most: int) -> None:
    if not arms:
        raise SpecError("no models to time")
    if not batches or min(batches) < 1 or length < 1:
        raise SpecError(f"batch sizes and length must be at least 1, got batches={list(batches)}, length={length}")
    if not 1 <= least <= most:
        raise SpecError(f"need 1 ≤ min_repeats ≤ max_repeats, got {least} and {most}")


def _prepare(name: str, model: Model, batch: int, length: int, device: torch.device, seed: int) -> _Arm:
    """Check the output of the first call, then warm up."""
    ids_BN, mask_BN = random_inputs(model.dims, batch, length, device=device, seed=seed)

    def call() -> torch.Tensor:
        return model(ids_BN, mask_BN)

    end = now_s() + WARM_UP_S
    check_output(f"{name} (batch {batch}, length {length})", call(), (batch, model.dims.num_classes))
    arm = _Arm(name, call)
    for _ in range(WARM_UP_CALLS):
        if now_s() >= end:
            break
        arm.settle = seconds(call, device) < SETTLE_BELOW_S
    return arm


def _time_rounds(
    arms: Sequence[_Arm], device: torch.device, order: random.Random, deadline: float, least: int, most: int
) -> None:
    for done in range(most):
        if done >= least and now_s() >= deadline:
            return
        for arm in order.sample(arms, len(arms)):
            if arm.settle:
                arm.call()
            arm.samples.append(seconds(arm.call, device))
            arm.settle = arm.samples[-1] < SETTLE_BELOW_S


def _row(arm: _Arm, batch: int, length: int) -> LatencyRow:
    p20, median, p80, p95 = (float(value) for value in np.percentile(arm.samples, (20, 50, 80, 95)))
    return {
        "arm": arm.name,
        "batch": batch,
        "length": length,
        "median_s": median,
        "p20_s": p20,
        "p80_s": p80,
        "p95_s": p95,
        "repeats": len(arm.samples),
    }
