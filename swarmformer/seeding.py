"""Seeds of PyTorch's global generators."""

from __future__ import annotations

import torch


def seed_all(seed: int) -> torch.Generator:
    """Seed the generators of all devices; returns the CPU's.

    ``torch.manual_seed`` without a GPU stores the call, with its stack, for each kind of device that may yet appear:
    a millisecond and some kilobytes every time. Where PyTorch has no CUDA there is nothing to store for.
    """
    return torch.manual_seed(seed) if torch.backends.cuda.is_built() else torch.default_generator.manual_seed(seed)
