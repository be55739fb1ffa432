"""What a model computes in: its precision, and training or evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, get_args

import torch
from torch import nn

from swarmformer.errors import SpecError

Precision = Literal["fp32", "bf16", "bf16_weights"]
"""``bf16`` is autocast, as training and evaluation use it; ``bf16_weights`` has weights and activations in bf16."""


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bf16 autocast, or nothing where the weights say it: fp32, and ``bf16_weights``.

    Raises:
        SpecError: no ``Precision``; what ``auto`` is, a trainer finds out.
    """
    if precision == "auto":
        raise SpecError("precision auto is not decided yet: use cost.precision.chosen_precision, fp32 or bf16")
    if precision not in get_args(Precision):
        raise SpecError(f"unknown precision {precision!r}. Use fp32 or bf16")
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def evaluating(*modules: nn.Module) -> AbstractContextManager[None]:
    """Evaluation mode; afterwards, after an exception too, every submodule is in the mode it was in."""
    return in_mode(*modules, training=False)


@contextmanager
def in_mode(*modules: nn.Module, training: bool) -> Iterator[None]:
    """Training or evaluation mode; afterwards, after an exception too, every submodule is in the mode it was in."""
    modes = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.train(training)
    try:
        yield
    finally:
        for part, before in modes:
            part.training = before
