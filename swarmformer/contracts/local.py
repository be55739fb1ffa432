"""The contract of the ``local`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from swarmformer.contracts.component import Component


class Local(Component, ABC):
    """x_BND, mask_BN → x_BND: tokens learn from their neighbours.

    ``mask_BN`` is True on real tokens, None where all are real; what is given at a real token does not depend on pads.
    ``norm`` is applied before every MLP and attention block inside; None leaves its input alone.
    """

    slot = "local"

    @abstractmethod
    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor: ...

    def flops(self, B: int, N: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N)

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step."""
        return self._count_training_flops(B, N)
