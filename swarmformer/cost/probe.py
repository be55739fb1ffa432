"""What every measurement of a model needs: inputs, weights in a precision, an output that is right."""

from __future__ import annotations

import torch
from torch import Tensor

from swarmformer.contracts import Dims, Model
from swarmformer.errors import SwarmformerError
from swarmformer.modes import Precision


class OutputError(SwarmformerError, ArithmeticError):
    """A model whose output is not finite or has the wrong shape: its speed means nothing."""


def random_inputs(dims: Dims, batch: int, length: int, *, device: torch.device, seed: int) -> tuple[Tensor, Tensor]:
    """Random ids_BN and a mask_BN of ones: every token is real, yet the masked code paths run.

    The ids depend on the seed and the sizes only, not on the device.
    """
    generator = torch.Generator().manual_seed(seed)
    ids_BN = torch.randint(dims.vocab_size, (batch, length), generator=generator)
    return ids_BN.to(device), torch.ones(batch, length, dtype=torch.bool, device=device)


def check_output(name: str, logits_BK: Tensor, expected: tuple[int, ...]) -> None:
    """Raise OutputError unless the logits are finite and of shape ``expected``: (B, K), or (B, N, K) per token."""
    if tuple(logits_BK.shape) != expected:
        raise OutputError(f"{name}: output has shape {tuple(logits_BK.shape)}, expected {expected}; not timed")
    broken = int((~torch.isfinite(logits_BK)).sum())
    if broken:
        raise OutputError(
            f"{name}: {broken} of {logits_BK.numel()} logits are NaN or infinite; not timed. "
            "Check the weights and the masked softmax of its components"
        )


def product_dtype(precision: Precision) -> torch.dtype:
    """What the operands of matrix products are in: the limit that applies."""
    return torch.float32 if precision == "fp32" else torch.bfloat16


def cast(model: Model, precision: Precision) -> Model:
    """The model with its weights in place as the precision wants them."""
    return model.to(torch.bfloat16) if precision == "bf16_weights" else model
