"""The usual objective of classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch.nn import functional as F

from swarmformer.contracts import Dims, Forward, Loss, Objective
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch


@register("objective", "cross_entropy")
class CrossEntropy(Objective):
    """Mean cross-entropy of the answers, with label smoothing (Szegedy et al. 2016).

    Options:
        label_smoothing: the share of the target that is spread evenly over all classes.
    """

    in_pieces = True

    def __init__(self, dims: Dims, *, label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        logits_MK = batch.answers(forward(batch).logits_BK).float()
        return Loss(F.cross_entropy(logits_MK, batch.labels_M, label_smoothing=self.label_smoothing))
