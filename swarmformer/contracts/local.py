"""The contract of the ``local`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from swarmformer.contracts.component import PASSES, Component


class Local(Component, ABC):
    """x_BND, mask_BN → x_BND: tokens learn from their neighbours.

    ``norm`` is applied before every MLP and attention block inside; None leaves its input alone.
    """

    @abstractmethod
    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor: ...

    @abstractmethod
    def flops(self, B: int, N: int) -> int: ...

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step."""
        return PASSES * self.flops(B, N)
