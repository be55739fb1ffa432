"""The contract of the ``embedding`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from swarmformer.contracts.component import PASSES, Component


class Embedding(Component, ABC):
    """ids_BN (int64) → x_BND."""

    order = "0"

    @abstractmethod
    def forward(self, ids_BN: Tensor) -> Tensor: ...

    def flops(self, B: int, N: int) -> int:
        """A look-up has no matrix product."""
        return 0

    def training_flops(self, B: int, N: int) -> int:
        """Ids want no gradient, and that of a look-up is a sum."""
        return PASSES * self.flops(B, N)
