"""What a stage judges a model by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmformer.contracts import Metrics, Model


@dataclass(frozen=True)
class SplitJudge:
    """Measures ``model``, which may be the moving average of the trainer's, on a split of the run, by name."""

    model: Model
    measured: Callable[[Model, str], Metrics]
    lost: Callable[[Model, str], Metrics]

    def metrics(self, split: str = "validation") -> Metrics:
        return self.measured(self.model, split)

    def loss(self, split: str = "validation") -> Metrics:
        """Of the stage's objective."""
        return self.lost(self.model, split)
