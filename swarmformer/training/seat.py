"""A run's place among those of one process."""

from __future__ import annotations

from collections.abc import Callable

from swarmformer.data.batching import Batch
from swarmformer.training.journal import StepRecord
from swarmformer.training.step import TrainingStep


class Seat:
    """A run's place among others. ``at``: its stage, and how far its training is, 0…1, which its trainer keeps;
    ``most``: runs that one pass computed at once, at most; ``fault``: why some steps were computed alone."""

    def __init__(self, ask: Callable[[Seat, TrainingStep, Batch], StepRecord | None], number: int) -> None:
        self.ask, self.number, self.at, self.most, self.fault = ask, number, (0, 0.0), 1, ""

    def gradients(self, step: TrainingStep, batch: Batch) -> StepRecord | None:
        """Have the gradients of a batch computed with those of the others, and what the step tells; None where the run
        is to compute alone."""
        return self.ask(self, step, batch)
