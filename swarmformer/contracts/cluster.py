"""The contract of the ``cluster`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from torch import Tensor, nn

from swarmformer.contracts.component import Component


class Cluster(Component, ABC):
    """c_BCD, mask_BC → c_BCD: clusters learn from each other. Masked clusters come out zero.

    ``signal_BC`` (see ``Assignment``) is added to a cluster's scores as a key; a mixer without scores
    weighs what the cluster gives to others by its exponential. So −∞ is the same to others as a mask.
    """

    slot = "cluster"

    @abstractmethod
    def forward(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
    ) -> Tensor: ...

    def stream(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
        *,
        size: int,
    ) -> Iterator[Tensor]:
        """What ``forward`` gives, in order, about ``size`` clusters at a time, in evaluation.

        A mixer that can overrides it to hold no more than ``size`` clusters of what it computes: ``c_BCD`` may be
        millions of them (``swarmformer.long``).
        """
        yield from self(c_BCD, mask_BC, norm, signal_BC).split(size, dim=1)

    def flops(self, B: int, C: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, C)

    def training_flops(self, B: int, C: int) -> int:
        """Forward and backward of one training step."""
        return self._count_training_flops(B, C)
