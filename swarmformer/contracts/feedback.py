"""The contract of the ``feedback`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from swarmformer.contracts.component import PASSES, Component
from swarmformer.contracts.router import Assignment


class Feedback(Component, ABC):
    """x_BND, c_BCD, ``Assignment`` → x_BND: clusters tell their tokens.

    ``broadcast_width`` says how many columns it sends through ``Assignment.broadcast`` (the signal apart);
    their cost is the router's, not part of ``flops``.
    """

    broadcast_width: int

    @abstractmethod
    def forward(
        self, x_BND: Tensor, c_BCD: Tensor, assignment: Assignment, norm: nn.Module | None = None
    ) -> Tensor: ...

    @abstractmethod
    def flops(self, B: int, N: int, C: int) -> int: ...

    def training_flops(self, B: int, N: int, C: int) -> int:
        """Forward and backward of one training step."""
        return PASSES * self.flops(B, N, C)
