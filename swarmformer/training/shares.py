"""A batch in parts: what each weighs in the means over all of it, and when it must be parted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from swarmformer.contracts.component import Over
from swarmformer.data.batching import Batch
from swarmformer.seeding import seed_all


@dataclass(frozen=True)
class BatchShare:
    """``part`` of the batch ``whole``. ``weight`` 0: computed, as others wait for it, but counted elsewhere."""

    part: Batch
    whole: Batch
    weight: float = 1.0

    def piece(self, part: Batch) -> BatchShare:
        """A part of the part."""
        return BatchShare(part, self.whole, self.weight)

    def of(self, over: Over | Literal["answers", "rows"]) -> Tensor | float:
        """What the mean over the part weighs in the one over the whole; counted on the device, and nobody waits."""
        if self.part is self.whole:
            return self.weight
        if over == "answers":
            return self.weight * len(self.part.labels_M) / len(self.whole.labels_M)
        if over == "rows":
            return self.weight * len(self.part.ids_BN) / len(self.whole.ids_BN)
        of_part, of_whole = (_count(batch.mask_BN, over) for batch in (self.part, self.whole))
        return self.weight * of_part / of_whole.clamp(min=1)


def _count(mask_BN: Tensor, over: str) -> Tensor:
    return (mask_BN if over == "tokens" else mask_BN.any(dim=1)).sum()


def shares(batch: Batch, count: int, rank: int = 0, ranks: int = 1) -> Iterator[tuple[int, BatchShare]]:
    """Of ``count`` parts those that this rank computes, with their numbers.

    A rank of which the batch has no row computes the first part for nothing, so that all ranks do alike.
    """
    mine = [number for number in range(rank, count, ranks) if number < len(batch.ids_BN)]
    for number in mine:
        yield number, BatchShare(batch.share(number, count), batch)
    if not mine:
        yield 0, BatchShare(batch.share(0, count), batch, weight=0.0)


def draw_by_place(*place: int) -> None:
    """Random numbers from here on follow from the place alone: whoever computes a part draws the same for it."""
    seed = np.random.SeedSequence(place).generate_state(1, np.uint64)[0]
    seed_all(int(seed) >> 1)
