"""What every measurement of a model needs: inputs, evaluation mode, an output that is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from swarmformer.contracts import Dims
from swarmformer.cost.errors import OutputError


def random_inputs(dims: Dims, batch: int, length: int, *, device: torch.device, seed: int) -> tuple[Tensor, Tensor]:
    """Random ids_BN and a mask_BN of ones: every token is real, yet the masked code paths run.

    The ids depend on the seed and the sizes only, not on the device.
    """
    generator = torch.Generator().manual_seed(seed)
    ids_BN = torch.randint(dims.vocab_size, (batch, length), generator=generator)
    return ids_BN.to(device), torch.ones(batch, length, dtype=torch.bool, device=device)


def evaluating(model: nn.Module) -> AbstractContextManager[None]:
    """Evaluation mode; afterwards every submodule is in the mode it was in."""
    return in_mode(model, training=False)


@contextmanager
def in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Training or evaluation mode; afterwards every submodule is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, before in modes:
            module.training = before


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
