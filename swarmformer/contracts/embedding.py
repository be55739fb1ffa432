"""The contract of the ``embedding`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from swarmformer.contracts.component import Component


class Embedding(Component, ABC):
    """ids_BN (int64) → x_BND."""

    slot = "embedding"

    @abstractmethod
    def forward(self, ids_BN: Tensor) -> Tensor: ...

    def flops(self, B: int, N: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N)

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step; ids want no gradient."""
        return self._count_training_flops(B, N)
