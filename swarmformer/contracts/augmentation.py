"""The contract of the ``augmentation`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch


class Augmentation(ABC):
    """A training batch → another with the same labels, of the same shape.

    It draws from ``generator`` alone (on the CPU, seeded by run, epoch and batch) and leaves the batch that it is
    given as it is. Every text keeps a real token, and its real tokens stand at the start as before; what stands in
    masked places does not matter: pads are written there afterwards. ``keeps_places`` is True where no token moves:
    only then a task that asks at tokens can use it. ``stand_ins`` are the ids that it writes where others stood: no
    text had them there, so that an objective that predicts tokens does not ask for them.
    """

    slot: ClassVar[str] = ""
    registered_name: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1
    test_options: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    keeps_places: bool = False
    stand_ins: tuple[int, ...] = ()

    @abstractmethod
    def apply(self, batch: Batch, generator: torch.Generator) -> Batch: ...
