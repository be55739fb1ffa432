"""Training for hidden tokens, before that for the task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from swarmformer.contracts import Judge, Metrics, Stage
from swarmformer.registry import register


@register("stage", "masked_tokens")
class MaskedTokens(Stage):
    """Learns to tell hidden tokens (Devlin et al. 2019); keeps the weights with the smallest loss on validation texts.

    Options:
        texts: those of training alone, without their labels (track L); the task's texts without labels (track U), of
            which none stands in a split of the task; or both.
    """

    usual: ClassVar[Mapping[str, str]] = {"objective": "masked_tokens"}

    def __init__(self, *, texts: Literal["train", "unlabelled", "train+unlabelled"] = "train") -> None:
        self.trains_on = texts

    def validate(self, judge: Judge) -> Metrics:
        return judge.loss()

    def score(self, metrics: Metrics) -> float:
        return -metrics["loss"]
