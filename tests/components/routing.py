"""What the tests of routing share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from swarmformer.components.router.learned import Learned
from swarmformer.contracts import Dims

D = 12
DIMS = Dims(vocab_size=40, d_model=D, num_layers=2, cluster_size=4, seq_len=64, num_classes=2)


def router(seed: int = 0, stir: float = 0.5, **options: Any) -> Learned:
    """A router in eval mode whose parameters have left their starting point."""
    torch.manual_seed(seed)
    built = Learned(DIMS, **options).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(torch.randn_like(parameter) * stir)
    return built


def states(B: int, N: int, seed: int = 1) -> Tensor:
    return torch.randn(B, N, D, generator=torch.Generator().manual_seed(seed))
