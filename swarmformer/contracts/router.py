"""The contract of the ``router`` slot, and of the assignments that routers make."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from swarmformer.contracts.component import PASSES, Component


class Assignment(ABC):
    """How the tokens of one layer meet their clusters.

    ``cluster_mask_BC`` is True where a cluster has at least one real token (None: everywhere).
    ``signal_BC``, where a router gives one, is the log of each cluster's weight: it is added to the scores
    of the cluster as a key and to the gates of the tokens it speaks to (None: all weigh the same).
    ``losses`` are added to the training loss with weight one; ``telemetry`` is logged.
    ``token_mask_BN`` is True on real tokens (None: all are).
    ``copies`` is True where every token gets a copy of one cluster: what is computed per token after ``broadcast``
    may then be computed per cluster before it.
    """

    copies: ClassVar[bool] = False
    cluster_mask_BC: Tensor | None = None
    signal_BC: Tensor | None = None
    token_mask_BN: Tensor | None = None

    def __init__(self) -> None:
        self.losses: dict[str, Tensor] = {}
        self.telemetry: dict[str, Tensor] = {}

    @abstractmethod
    def pool(self, x_BND: Tensor) -> Tensor:
        """x_BND → c_BCD; a cluster without real tokens is zero."""

    @abstractmethod
    def broadcast(self, c_BCX: Tensor) -> Tensor:
        """c_BCX → x_BNX for any width X; linear, so that what is computed per cluster may be sent back."""


class Router(Component, ABC):
    """x_BND, mask_BN, tokens per cluster → ``Assignment`` with C = ⌈N / cluster_size⌉ clusters.

    The size of a cluster is passed, not the number of clusters, so that a text meets the same
    clusters alone and padded in a batch. ``signals`` is True where assignments have a ``signal_BC``.
    """

    slot = "router"
    signals: bool = False

    @abstractmethod
    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> Assignment: ...

    def flops(self, B: int, N: int, cluster_size: int) -> int:
        """Routing and one ``pool`` of width D in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N, cluster_size)

    def broadcast_flops(self, B: int, N: int, cluster_size: int, width: int) -> int:
        """One ``broadcast`` of ``width`` columns; nothing where it is a copy. Counted where ``flops`` is."""
        return self._count_flops("broadcast_flops", B, N, cluster_size, width) if self._is_counted else 0

    def training_flops(self, B: int, N: int, cluster_size: int) -> int:
        """Forward and backward of routing and one ``pool`` in a training step, the router's losses included."""
        return self._count_training_flops(B, N, cluster_size)

    def broadcast_training_flops(self, B: int, N: int, cluster_size: int, width: int) -> int:
        """Forward and backward of one ``broadcast`` of ``width`` columns in a training step."""
        if self._is_counted:
            return self._count_flops("broadcast_training_flops", B, N, cluster_size, width)
        return PASSES * self.broadcast_flops(B, N, cluster_size, width)
