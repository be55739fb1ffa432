"""Training for the task itself."""

from __future__ import annotations

from typing import Literal

from swarmformer.contracts import Judge, Metrics, Stage
from swarmformer.registry import register


@register("stage", "supervised")
class Supervised(Stage):
    """Learns the labels, or the next token; keeps the weights that are best on validation.

    Options:
        by: the highest accuracy, or the smallest cross-entropy.
    """

    def __init__(self, *, by: Literal["accuracy", "loss"] = "accuracy") -> None:
        self.by = by

    def validate(self, judge: Judge) -> Metrics:
        return judge.metrics()

    def score(self, metrics: Metrics) -> float:
        return metrics["accuracy"] if self.by == "accuracy" else -metrics["loss"]
