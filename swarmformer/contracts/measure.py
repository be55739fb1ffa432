"""How far a mechanism was exercised: what components measure of themselves when a trained model is watched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Measure:
    """What a component measures of its mechanism. A mean below ``least`` or above ``most`` says that the mechanism was
    not exercised, so that nothing follows about it; None: no limit.

    Args:
        meaning: in a few words, with the unit.
    """

    meaning: str
    least: float | None = None
    most: float | None = None


@dataclass
class Mean:
    """A mean that is added up piece by piece; tensors stay on their device."""

    total: Tensor | float = 0.0
    weight: Tensor | float = 0.0

    @property
    def value(self) -> float | None:
        """None where nothing was measured."""
        weight = float(self.weight)
        return float(self.total) / weight if weight else None


class Watched:
    """What a component, while it is watched, adds its measures to."""

    def __init__(self) -> None:
        self.means: dict[str, Mean] = {}

    def add(self, measure: str, value: Tensor | float, weight: Tensor | float = 1.0) -> None:
        """A mean over ``weight`` texts, tokens or whatever it is a mean of."""
        mean = self.means.setdefault(measure, Mean())
        mean.total, mean.weight = mean.total + value * weight, mean.weight + weight

    def over_tokens(self, measure: str, values_BNX: Tensor, mask_BN: Tensor | None) -> None:
        """The mean of ``values_BNX`` over features and real tokens."""
        values_BN = values_BNX.float().mean(dim=-1)
        weight_BN = torch.ones_like(values_BN) if mask_BN is None else mask_BN.to(values_BN.dtype)
        mean = self.means.setdefault(measure, Mean())
        mean.total, mean.weight = mean.total + (values_BN * weight_BN).sum(), mean.weight + weight_BN.sum()

    def attention(self, weights_BHNM: Tensor, allowed_BHNM: Tensor, mask_BN: Tensor | None) -> None:
        """``spread``, the entropy of a query's weights over that of even weights, and ``elsewhere``, the weight beyond
        the query itself; over real queries that may look at two keys or more (``allowed``, broadcastable)."""
        keys_BHN = allowed_BHNM.expand_as(weights_BHNM).sum(dim=-1)
        entropy_BHN = torch.special.entr(weights_BHNM).sum(dim=-1) / keys_BHN.clamp(min=2).log()
        own_BHN = weights_BHNM.diagonal(dim1=-2, dim2=-1)
        real_BHN = keys_BHN > 1 if mask_BN is None else (keys_BHN > 1) & mask_BN[:, None]
        count = real_BHN.sum()
        for name, values_BHN in (("spread", entropy_BHN), ("elsewhere", 1 - own_BHN)):
            mean = self.means.setdefault(name, Mean())
            mean.total, mean.weight = mean.total + (values_BHN * real_BHN).sum(), mean.weight + count


ATTENTION = {
    "spread": Measure("entropy of attention, 1 where all weigh the same"),
    "elsewhere": Measure("attention to others than itself", least=0.05),
}
OPENNESS = {"openness": Measure("mean opening of the gate", least=0.02)}


@contextmanager
def watching(components: dict[str, nn.Module]) -> Iterator[dict[str, Watched]]:
    """Watch components, by name, meanwhile."""
    watched = {name: Watched() for name in components}
    for name, component in components.items():
        component.watched = watched[name]  # type: ignore[assignment]
    try:
        yield watched
    finally:
        for component in components.values():
            component.watched = None  # type: ignore[assignment]
