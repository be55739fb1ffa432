"""The contract of the ``feedback`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

from torch import Tensor, nn

from swarmformer.contracts.component import Component
from swarmformer.contracts.router import Assignment


class Feedback(Component, ABC):
    """x_BND, c_BCD, ``Assignment`` → x_BND: clusters tell their tokens.

    What it sends through ``Assignment.broadcast`` is the router's cost, not part of ``flops``.
    """

    slot = "feedback"

    @cached_property
    def broadcast_width(self) -> int:
        """Columns that it sends through ``broadcast``, the signal apart; counted where it is not set."""
        return self._count_flops("broadcast_width", 1, 2, 1)

    @abstractmethod
    def forward(
        self, x_BND: Tensor, c_BCD: Tensor, assignment: Assignment, norm: nn.Module | None = None
    ) -> Tensor: ...

    def flops(self, B: int, N: int, C: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N, C)

    def training_flops(self, B: int, N: int, C: int) -> int:
        """Forward and backward of one training step."""
        return self._count_training_flops(B, N, C)
