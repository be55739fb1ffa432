"""What models are made with: components, each from a random stream of its own, and the cost of linear layers.

The stream of a component depends on the model's seed and the component's place alone, so two
variants with the same seed start from the same weights wherever they share a component.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from swarmformer.contracts import Component, Dims
from swarmformer.places import told_at
from swarmformer.spec import ComponentSpec


class Parts:
    """Factory of a model's components: ``parts.build("local", "layers.0.local")``."""

    def __init__(self, dims: Dims, slots: Mapping[str, ComponentSpec]) -> None:
        self.dims, self.slots = dims, slots
        self.built: list[Component] = []
        self.before = torch.get_rng_state()
        # One draw from the global stream: reproducible after manual_seed, new for every model.
        self.seed = int(torch.randint(2**62, (), device="cpu"))

    def __repr__(self) -> str:
        return f"Parts({self.dims!r}, {self.slots!r})"

    def build(self, slot: str, place: str | None = None) -> Any:
        """A new component of ``slot``, initialised for ``place``.

        Without a place, for the first part of a model that draws all from the global stream: as if there were no seed.

        Raises:
            SpecError: options or sizes that the component refuses with any ValueError, whatever one that is not built
                in raises; ``path`` names the key.
        """
        spec = self.slots[slot]
        if place is None:
            torch.set_rng_state(self.before)
        with nullcontext() if place is None else self.stream(place), told_at("model", slot):
            self.built.append(spec.make(self.dims))
        return self.built[-1]

    @contextmanager
    def stream(self, place: str) -> Iterator[None]:
        """Draw initial weights for ``place`` without touching the global random state."""
        digest = hashlib.sha256(f"{self.seed}/{place}".encode()).digest()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int.from_bytes(digest[:7], "big"))
            yield


def linear_flops(module: nn.Module, rows: int) -> int:
    """Operations (multiply-adds × 2) of all linear layers inside, each applied once to ``rows`` rows."""
    return 2 * rows * sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Linear))
