"""The contract of the ``pyramid`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod

from swarmformer.contracts.component import Component


class Pyramid(Component, ABC):
    """Layer index → tokens per cluster, so that C = ⌈N / size⌉."""

    slot = "pyramid"

    @abstractmethod
    def cluster_size(self, layer: int) -> int: ...
