"""The contract of the ``pooling`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from swarmformer.contracts.component import Component


class Pooling(Component, ABC):
    """x_BND, mask_BN → x_BD; a text without real tokens gives zero.

    ``per_token`` is True where the result keeps one row per token, x_BND, for tasks that ask at positions.
    """

    slot = "pooling"
    per_token: bool = False

    @abstractmethod
    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor: ...

    def log_weight(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor | None:
        """Logarithm of what these tokens weigh in a longer text, [B, G] for G equal groups of the D columns; −∞ of no
        real tokens. What the text gives is the mean of what its stretches give, weighed by this (``swarmformer.long``).
        None: it cannot be put together from stretches, or does not say."""
        return None

    def flops(self, B: int, N: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N)

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step."""
        return self._count_training_flops(B, N)
