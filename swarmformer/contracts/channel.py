"""The contract of the ``channel`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from swarmformer.contracts.component import Component


class Channel(Component, ABC):
    """ids_BN (int64), mask_BN (bool or None) → logits_BK that are added to those of any model.

    ``Component.fit`` tells it of the training texts and their labels beforehand. A text gives the same alone and padded
    in a batch.
    """

    slot = "channel"

    @abstractmethod
    def forward(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> Tensor: ...

    def flops(self, B: int, N: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N)

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step; ids want no gradient."""
        return self._count_training_flops(B, N)
