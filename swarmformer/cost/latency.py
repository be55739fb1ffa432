"""How long a forward pass takes: all arms side by side, at fixed shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swarmformer.cost.precision import Precision, cast, computing_in
from swarmformer.cost.probe import check_output, evaluating, random_inputs
from swarmformer.cost.rounds import Samples, time_arms
from swarmformer.cost.timing import now_s, torch_threads
from swarmformer.errors import SpecError
from swarmformer.interfaces import Model


@dataclass(frozen=True)
class Latency:
    """Seconds of one forward pass of ``batch`` texts of ``length`` tokens; ``arm`` says of which model."""

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
    budget_s: float = 20.0,
    min_repeats: int = 3,
    max_repeats: int = 100,
    seed: int = 0,
) -> list[Latency]:
    """Time single forward passes with ``time_arms``: evaluation and inference mode, every token real but masked.

    The models are moved to ``device`` and cast to ``precision``, and should not be trained afterwards: what
    they cache while being timed carries no gradient.

    Args:
        arms: name → model.
        batches: batch sizes; each gets an equal share of the time that is left when its turn comes.
        length: tokens per text.
        budget_s: start no round after so many seconds; overrun only to reach ``min_repeats``.

    Returns:
        One row per batch and arm.

    Raises:
        SpecError: no arms, or a number that makes no sense.
        OutputError: an arm whose output is not finite or has the wrong shape.
    """
    if not batches or min(batches) < 1 or length < 1:
        raise SpecError(f"batch sizes and length must be at least 1, got batches={list(batches)}, length={length}")
    end = now_s() + budget_s
    rows: list[Latency] = []
    with ExitStack() as stack:
        stack.enter_context(torch_threads(threads))
        for model in arms.values():
            stack.enter_context(evaluating(cast(model.to(device), precision)))
        stack.enter_context(torch.inference_mode())
        stack.enter_context(computing_in(device, precision))
        for done, batch in enumerate(batches):
            calls = {name: _forward(model, batch, length, device, seed) for name, model in arms.items()}
            timed = time_arms(
                calls,
                device=device,
                budget_s=(end - now_s()) / (len(batches) - done),
                min_repeats=min_repeats,
                max_repeats=max_repeats,
                seed=seed,
                check=_output_check(arms, batch, length),
            )
            rows += [Latency(name, batch, length, samples) for name, samples in timed.items()]
    return rows


def _forward(model: Model, batch: int, length: int, device: torch.device, seed: int) -> Callable[[], Tensor]:
    ids_BN, mask_BN = random_inputs(model.dims, batch, length, device=device, seed=seed)
    return lambda: model(ids_BN, mask_BN)


def _output_check(arms: Mapping[str, Model], batch: int, length: int) -> Callable[[str, Any], None]:
    def check(name: str, logits_BK: Tensor) -> None:
        model = arms[name]
        expected = (batch, length, model.dims.num_classes) if model.per_token else (batch, model.dims.num_classes)
        check_output(f"{name} (batch {batch}, length {length})", logits_BK, expected)

    return check
