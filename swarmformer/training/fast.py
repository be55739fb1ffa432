"""What makes a GPU fast without asking: compiled passes, and TF32 for the products that stay in fp32."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from swarmformer.contracts import Model, ModelOutput, Objective
from swarmformer.spec import TrainSpec

RECOMPILE_LIMIT = 64
COMPILE_STEPS = 1000
"""Steps of a stage from which compiling a graph for each padded length, some minutes in all, is taken to pay."""


def compiles(train: TrainSpec, device: torch.device, steps: int, objective: Objective) -> bool:
    """Whether a stage of so many steps is trained through ``torch.compile``."""
    if train.compile != "auto":
        return train.compile
    able = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    return able and steps >= COMPILE_STEPS and not objective.hooks


def compiled(model: Model, objective: Objective, backend: str = "inductor") -> Callable[..., ModelOutput]:
    """The model's pass, compiled when it is first called with a shape: one graph per padded length.

    A graph gives all that it returns a gradient, be it zero, by which weight decay would move what the objective does
    not read: that has none here, as it has without a graph.
    """
    # A recompilation limit would fall back in silence.
    torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    made = model.detailed if objective.reads == "logits" else partial(_states, model)
    return torch.compile(made, dynamic=False, backend=backend)


def _states(model: Model, ids_BN: torch.Tensor, mask_BN: torch.Tensor | None) -> ModelOutput:
    """The same, of which only states and losses have gradients."""
    output = model.detailed(ids_BN, mask_BN)
    return replace(output, logits_BK=output.logits_BK.detach(), addends=())


def cannot_compile(error: BaseException) -> bool:
    """Whether it is the compiler that failed, and not what it compiled."""
    return any(kind.__module__.startswith(("torch._dynamo.exc", "torch._inductor.exc")) for kind in type(error).__mro__)


@contextmanager
def products_in_tf32(device: torch.device, on: bool) -> Iterator[None]:
    """On a GPU let fp32 matrix products and convolutions meanwhile round their operands to TF32, or not."""
    before = product_precisions(device)
    try:
        set_product_precisions(device, ["tf32" if on else "ieee"] * len(before))
        yield
    finally:
        set_product_precisions(device, before)


def product_precisions(device: torch.device) -> list[str]:
    """What fp32 products are computed in: matrix products, convolutions; nothing of it can be chosen on a CPU."""
    return [place.fp32_precision for place in _product_places(device)]


def set_product_precisions(device: torch.device, words: Sequence[str]) -> None:
    """Inverse of ``product_precisions``."""
    for place, word in zip(_product_places(device), words, strict=True):
        place.fp32_precision = word


def _product_places(device: torch.device) -> tuple[Any, ...]:
    if device.type != "cuda":
        return ()
    return torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
