"""The contract of the ``norm`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from swarmformer.contracts.component import Component


class Norm(Component, ABC):
    """x → x of the same shape, over the last dimension."""

    slot = "norm"
    reach: int | None = 0

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...
