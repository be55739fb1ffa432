"""What a stage judges a model by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarmformer.contracts import Metrics, Model
from swarmformer.training.evaluate import objective_loss

if TYPE_CHECKING:
    from swarmformer.training.loop import Trainer


@dataclass(frozen=True)
class SplitJudge:
    """Measures ``model``, which may be the moving average of the trainer's."""

    trainer: Trainer
    model: Model

    def metrics(self, split: str = "validation") -> Metrics:
        return self.trainer.evaluate(self.model, split)[0]

    def loss(self, split: str = "validation") -> Metrics:
        trainer = self.trainer
        batches, objective = trainer.batches[split], trainer.now.ingredients.objective
        precision, ranks = trainer.now.train.precision, trainer.ranks
        loss = objective_loss(self.model, objective, batches, trainer.device, precision, ranks)
        return {"loss": loss, "n": len(batches.split.labels)}
