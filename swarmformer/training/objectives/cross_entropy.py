"""The usual objective of classification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from swarmformer.contracts import Dims, Forward, Loss, Model, Objective
from swarmformer.errors import SpecError
from swarmformer.models.with_channel import WithChannel
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.batching import Batch


@register("objective", "cross_entropy")
class CrossEntropy(Objective):
    """Mean cross-entropy of the answers, with label smoothing (Szegedy et al. 2016).

    Options:
        label_smoothing: the share of the target that is spread evenly over all classes.
        apart: model and channel each learn the labels by themselves, and only answer together (late fusion). A channel
            that knows its training texts leaves little to learn to a model that learns beside it.
        weigh: of a model apart from its channel: both answer with weights, two numbers, under which the validation
            texts are likeliest after each epoch (stacking; Ting & Witten 1999). In a plain sum of logits what both know
            counts twice, and the one with the larger logits outvotes the other.
    """

    in_pieces = True

    def __init__(
        self,
        dims: Dims,
        *,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        apart: bool = False,
        weigh: bool = False,
    ) -> None:
        super().__init__()
        if weigh and not apart:
            raise SpecError("weighs a model and a channel that learn apart: set apart: true beside it", path=("weigh",))
        self.label_smoothing, self.apart, self.settles = label_smoothing, apart, weigh

    def check_model(self, model: Model) -> None:
        if self.apart and not isinstance(model, WithChannel):
            raise SpecError("trains a model apart from its channel, and there is none: name one, or leave apart out")

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        output = forward(batch)
        if not (self.apart and self.training and output.addends):  # check_model sees to it that there are some
            return Loss(self._truth(batch, output.logits_BK))
        model, channel = (self._truth(batch, logits_BK) for logits_BK in output.addends)
        return Loss(model + channel, {"model": model, "channel": channel})

    def settle(self, model: Model, held_out: Callable[[], tuple[Tensor, Tensor]]) -> Mapping[str, float]:
        assert isinstance(model, WithChannel)  # check_model saw to it
        of_model, of_channel = model.weigh(*held_out())
        return {"weight of model": of_model, "weight of channel": of_channel}

    def _truth(self, batch: Batch, logits_BK: Tensor) -> Tensor:
        logits_MK = batch.answers(logits_BK).float()
        return F.cross_entropy(logits_MK, batch.labels_M, label_smoothing=self.label_smoothing)
