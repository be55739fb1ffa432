"""Stages: what they train on, and how they tell good weights from bad ones."""

from __future__ import annotations

import json
import math

from swarmformer.contracts import Metrics
from swarmformer.testing.case import Case
from swarmformer.testing.check import check
from swarmformer.testing.require import require


class GivenJudge:
    """Weights that are right with this share of the answers."""

    def __init__(self, accuracy: float) -> None:
        self.accuracy = accuracy

    def metrics(self, split: str = "validation") -> Metrics:
        rates = dict.fromkeys(("accuracy", "precision", "recall", "f1"), self.accuracy)
        return {**rates, **self.loss(split)}

    def loss(self, split: str = "validation") -> Metrics:
        return {"loss": 1.0 - self.accuracy, "n": 10}


@check("stage")
def held_out_splits_are_not_trained_on(case: Case) -> None:
    """Neither validation nor test."""
    split = case.make().trains_on
    require(split not in ("validation", "test"), f"trains on {split}")


@check("stage")
def validations_are_finite_numbers(case: Case) -> None:
    """By name, as they are written to the curve; and so is the score."""
    stage = case.make()
    metrics = stage.validate(GivenJudge(0.5))
    require(json.loads(json.dumps(metrics)) == metrics, f"validation gives {metrics}, which JSON changes")
    sound = all(type(value) in (int, float) and math.isfinite(value) for value in metrics.values())
    require(sound and bool(metrics), f"validation gives {metrics}, expected finite numbers by name")
    require(math.isfinite(stage.score(metrics)), f"the score is {stage.score(metrics)}")


@check("stage")
def better_weights_score_higher(case: Case) -> None:
    """With more answers right and a smaller loss."""
    stage = case.make()
    worse, better = (stage.score(stage.validate(GivenJudge(accuracy))) for accuracy in (0.4, 0.6))
    require(better > worse, f"accuracy 0.6 scores {better}, accuracy 0.4 {worse}")
