"""What a run's model, or the moving average of it, makes of the run's splits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from swarmformer.contracts import Metrics, Model, Objective
from swarmformer.data.batching import Batches
from swarmformer.errors import SpecError
from swarmformer.models.with_channel import WithChannel
from swarmformer.training.checkpoint import TrainingState
from swarmformer.training.divergence import check_after
from swarmformer.training.evaluate import evaluate, objective_loss, predict_addends
from swarmformer.training.journal import Journal
from swarmformer.training.ranks import Ranks
from swarmformer.training.stage_run import StageRun


@dataclass(frozen=True)
class SplitReader:
    """Measures models in a stage of a run, as all its processes together; ``batches``: of each split, by its name.

    What is not finite ends the run. Whoever reads the test split, it is written to the curve.
    """

    batches: Mapping[str, Batches]
    stage: StageRun
    progress: TrainingState
    journal: Journal
    device: torch.device
    ranks: Ranks

    def evaluate(self, model: Model, split: str, diagnostic: bool = False) -> tuple[Metrics, Tensor]:
        """Metrics and logits of a split, or losses of its tokens; ``diagnostic``: no result is made of them.

        Raises:
            TrainingDivergedError: one of them is not finite.
        """
        metrics, answers = self.answers(model, self.batches[split], f"the {split} split")
        if split == "test":
            kind, epoch = ("test_reading", self.progress.epoch) if diagnostic else ("test", self.progress.best_epoch)
            self.journal.append(kind, step=self.progress.step, epoch=max(epoch, 0), **metrics)
        return metrics, answers

    def answers(self, model: Model, batches: Batches, words: str) -> tuple[Metrics, Tensor]:
        """The same of any batches, which errors call ``words``; nothing is written."""
        metrics, answers = evaluate(model, batches, self.device, self.stage.train.precision, self.ranks)
        step = self.progress.step
        check_after(step, bool(answers.isfinite().all()), f"the logits of {words} are not finite")
        check_after(step, all(map(math.isfinite, metrics.values())), f"the loss of {words} is {metrics['loss']}")
        return metrics, answers

    def addends(self, model: Model, split: str) -> tuple[Tensor, Tensor]:
        """The logits of a model and of the channel beside it over a split, [M, 2, K], and labels_M.

        Raises:
            TrainingDivergedError: one of them is not finite.
            SpecError: there is no channel.
        """
        if not isinstance(model, WithChannel):
            name = self.stage.train.objective.name
            raise SpecError(f"objective {name!r} asks what model and channel say, and there is no channel; it should "
                            "refuse such a model in check_model")  # fmt: skip
        batches = self.batches[split]
        addends_M2K = predict_addends(model, batches, self.device, self.stage.train.precision, self.ranks)
        words = f"the logits of the {split} split are not finite"
        check_after(self.progress.step, bool(addends_M2K.isfinite().all()), words)
        return addends_M2K, torch.from_numpy(batches.split.labels.copy())

    def objective_loss(self, model: Model, objective: Objective, split: str) -> Metrics:
        """The loss of an objective over a split, which may be anything, and the number of its answers."""
        batches = self.batches[split]
        loss = objective_loss(model, objective, batches, self.device, self.stage.train.precision, self.ranks)
        return {"loss": loss, "n": len(batches.split.labels)}


@dataclass(frozen=True)
class SplitJudge:
    """What a stage judges by: ``model`` and ``objective``, which may be moving averages of the trainer's; of splits, by
    name."""

    model: Model
    objective: Objective
    reader: SplitReader

    def settled(self) -> dict[str, float]:
        """Have the objective set what it does by validation; what that was, as the curve has it."""
        if not self.objective.settles:
            return {}
        found = self.objective.settle(self.model, partial(self.reader.addends, self.model, "validation"))
        return {f"settled/{name}": value for name, value in found.items()}

    def metrics(self, split: str = "validation") -> Metrics:
        return self.reader.evaluate(self.model, split)[0]

    def loss(self, split: str = "validation") -> Metrics:
        """Of the stage's objective."""
        return self.reader.objective_loss(self.model, self.objective, split)
