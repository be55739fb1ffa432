"""Training for the task itself."""

from __future__ import annotations

from swarmformer.contracts import Judge, Metrics, Stage
from swarmformer.registry import register


@register("stage", "supervised")
class Supervised(Stage):
    """Learns the labels; keeps the weights with the best validation accuracy."""

    def validate(self, judge: Judge) -> Metrics:
        return judge.metrics()

    def score(self, metrics: Metrics) -> float:
        return metrics["accuracy"]
