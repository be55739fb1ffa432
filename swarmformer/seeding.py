"""PyTorch's global generators: their seeds, and their states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


def seed_all(seed: int) -> torch.Generator:
    """Seed the generators of all devices; returns the CPU's.

    ``torch.manual_seed`` without a GPU stores the call, with its stack, for each kind of device that may yet appear:
    a millisecond and some kilobytes every time. Where PyTorch has no CUDA there is nothing to store for.
    """
    return torch.manual_seed(seed) if torch.backends.cuda.is_built() else torch.default_generator.manual_seed(seed)


@dataclass(frozen=True)
class Draws:
    """Where the generators stand that training on a device draws from; ``states`` by kind of device."""

    device: torch.device
    states: Mapping[str, Tensor]

    @classmethod
    def on(cls, device: torch.device) -> Draws:
        """Where they stand now."""
        states = {"cpu": torch.get_rng_state()}
        if device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(device)
        return cls(device, states)

    def restore(self) -> None:
        """Draw from there on again."""
        torch.set_rng_state(self.states["cpu"])
        if self.device.type == "cuda" and "cuda" in self.states:
            torch.cuda.set_rng_state(self.states["cuda"], self.device)
