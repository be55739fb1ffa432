"""No augmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from swarmformer.contracts import Augmentation, Dims
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch


@register("augmentation", "none")
class NoAugmentation(Augmentation):
    """Texts as they are."""

    keeps_places = True

    def __init__(self, dims: Dims) -> None:
        pass

    def apply(self, batch: Batch, generator: torch.Generator) -> Batch:
        return batch
