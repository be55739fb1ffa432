"""What the closed forms of several models share."""

from __future__ import annotations

from torch import nn


def linear_flops(module: nn.Module, rows: int) -> int:
    """Operations (multiply-adds × 2) of all linear layers inside, each applied once to ``rows`` rows."""
    return 2 * rows * sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))
