"""The precisions that models are timed in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, get_args

import torch

from swarmformer.contracts import Model

Precision = Literal["fp32", "bf16", "bf16_weights"]
"""``bf16`` is autocast, as training and evaluation use it; ``bf16_weights`` has weights and activations in bf16."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def product_dtype(precision: Precision) -> torch.dtype:
    """What the operands of matrix products are in: the limit that applies."""
    return torch.float32 if precision == "fp32" else torch.bfloat16


def cast(model: Model, precision: Precision) -> Model:
    """The model with its weights in place as the precision wants them."""
    return model.to(torch.bfloat16) if precision == "bf16_weights" else model


def computing_in(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """bf16 autocast where the precision asks for it; else nothing changes."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
