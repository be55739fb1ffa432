"""How long a forward pass or a training step takes: all arms side by side, at fixed shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from swarmformer.cost.passes import Mode, check_result, make_call, random_batch
from swarmformer.cost.precision import Precision
from swarmformer.cost.probe import evaluating
from swarmformer.cost.rounds import Check, Samples, time_arms
from swarmformer.cost.timing import now_s, torch_threads
from swarmformer.data.batching import Batch
from swarmformer.errors import SpecError
from swarmformer.interfaces import Model
from swarmformer.spec import TrainSpec


@dataclass(frozen=True)
class Latency:
    """Seconds of one call on ``batch`` texts of ``length`` tokens; ``arm`` says of which model."""

    arm: str
    batch: int
    length: int
    samples: Samples


def measure_latency(
    arms: Mapping[str, Model],
    *,
    batches: Sequence[int] = (1, 32),
    length: int,
    device: torch.device,
    threads: int,
    precision: Precision = "fp32",
    mode: Mode = "forward",
    train: TrainSpec | None = None,
    budget_s: float = 20.0,
    min_repeats: int = 3,
    max_repeats: int = 100,
    seed: int = 0,
) -> list[Latency]:
    """Time forward passes, or training steps, with ``time_arms``: fixed shapes, every token real but masked.

    The models are moved to ``device`` and cast to ``precision``, and should not be used afterwards: training
    steps change them, and what they cache in evaluation carries no gradient.

    Args:
        arms: name → model.
        batches: batch sizes; each gets an equal share of the time that is left when its turn comes.
        length: tokens per text.
        train: of the optimiser, where the mode is ``training``.
        budget_s: start no round after so many seconds; overrun only to reach ``min_repeats``.

    Returns:
        One row per batch and arm.

    Raises:
        SpecError: no arms, or a number that makes no sense.
        OutputError: an arm whose output is not finite or has the wrong shape.
    """
    if not batches or min(batches) < 1 or length < 1:
        raise SpecError(f"batch sizes and length must be at least 1, got batches={list(batches)}, length={length}")
    end, rows = now_s() + budget_s, []
    with ExitStack() as stack:
        stack.enter_context(torch_threads(threads))
        for model in arms.values():
            stack.enter_context(evaluating(model.to(device)))
        for done, batch in enumerate(batches):
            data = {name: random_batch(model, batch, length, device=device, seed=seed) for name, model in arms.items()}
            timed = time_arms(
                _calls(arms, data, mode, precision, train or TrainSpec.from_dict({})),
                device=device,
                budget_s=(end - now_s()) / (len(batches) - done),
                min_repeats=min_repeats,
                max_repeats=max_repeats,
                seed=seed,
                check=_check(arms, data, mode),
            )
            rows += [Latency(name, batch, length, samples) for name, samples in timed.items()]
    return rows


def _calls(
    arms: Mapping[str, Model], data: Mapping[str, Batch], mode: Mode, precision: Precision, train: TrainSpec
) -> dict[str, Callable[[], Tensor]]:
    return {name: make_call(model, data[name], mode, precision, train) for name, model in arms.items()}


def _check(arms: Mapping[str, Model], data: Mapping[str, Batch], mode: Mode) -> Check:
    def check(name: str, result: Tensor) -> None:
        batch, length = data[name].ids_BN.shape
        check_result(f"{name} (batch {batch}, length {length})", arms[name], data[name], mode, result)

    return check
