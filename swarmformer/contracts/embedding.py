"""The contract of the ``embedding`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from swarmformer.contracts.component import Component
from swarmformer.errors import SpecError


class Embedding(Component, ABC):
    """ids_BN (int64) → x_BND."""

    slot = "embedding"

    @abstractmethod
    def forward(self, ids_BN: Tensor) -> Tensor: ...

    def flops(self, B: int, N: int) -> int:
        """A forward pass in evaluation; counted where it is not overridden."""
        return self._count_flops("flops", B, N)

    def training_flops(self, B: int, N: int) -> int:
        """Forward and backward of one training step; ids want no gradient."""
        return self._count_training_flops(B, N)


def embedding_of(model: nn.Module) -> Embedding:
    """The component of the slot ``embedding`` inside a model.

    Raises:
        SpecError: there is none, or more than one.
    """
    found = [part for part in model.modules() if isinstance(part, Embedding)]
    if len(found) != 1:
        raise SpecError(f"needs a model with one component of the slot 'embedding', this one has {len(found)}")
    return found[0]


@contextmanager
def embedded(model: nn.Module, instead: Tensor | None = None) -> Iterator[list[Tensor]]:
    """What the model's embedding gives in the passes meanwhile, [B, N, D] each; they go on with ``instead`` of it."""
    seen: list[Tensor] = []

    def hook(module: nn.Module, given: Any, x_BND: Tensor) -> Tensor | None:
        seen.append(x_BND)
        return instead

    handle = embedding_of(model).register_forward_hook(hook)
    try:
        yield seen
    finally:
        handle.remove()
