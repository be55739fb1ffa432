"""Models beside a channel, and a channel by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from swarmformer.contracts import Channel, Dims, Model, ModelOutput
from swarmformer.errors import SpecError
from swarmformer.models.parts import Parts
from swarmformer.models.stacking import likeliest_weights
from swarmformer.registry import register

if TYPE_CHECKING:
    from swarmformer.data.encoded import TrainingTexts


class WithChannel(Model):
    """Logits of any model, the trunk, plus those of a channel, each times a weight that is 1 until ``weigh`` is called;
    everything else is the trunk's."""

    weights_2: Tensor
    sees_order = False

    def __init__(self, trunk: Model, channel: Channel) -> None:
        super().__init__()
        if trunk.per_token:
            words = "a channel answers once per text, the model at tokens: leave it out"
            raise SpecError(words, path=("model", "channel"))
        self.dims, self.slots = trunk.dims, (*trunk.slots, channel.slot)  # type: ignore[misc]
        self.honours_mask, self.whole_batch = trunk.honours_mask, trunk.whole_batch
        self.means_over = trunk.means_over
        self.gives_states = trunk.gives_states
        self.trunk, self.channel = trunk, channel
        self.register_buffer("weights_2", torch.empty(2).fill_(1.0))

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        output = self.trunk.detailed(ids_BN, mask_BN)
        addends = (output.logits_BK, self.channel(ids_BN, mask_BN))
        of_trunk, of_channel = self.weights_2
        return replace(output, logits_BK=of_trunk * addends[0] + of_channel * addends[1], addends=addends)

    @torch.no_grad()
    def weigh(self, addends_M2K: Tensor, labels_M: Tensor) -> tuple[float, float]:
        """Set the weights of trunk and channel, and give them: those under which texts with these ``addends`` and
        labels are likeliest, none below zero."""
        of_trunk, of_channel = likeliest_weights(addends_M2K, labels_M)
        self.weights_2.copy_(torch.tensor([of_trunk, of_channel]))
        return of_trunk, of_channel

    def fit(self, texts: TrainingTexts) -> None:
        self.trunk.fit(texts)
        self.channel.fit(texts)

    def set_progress(self, done: float) -> None:
        self.trunk.set_progress(done)
        self.channel.set_progress(done)

    def flops(self, B: int, N: int) -> int:
        return self.trunk.flops(B, N) + self.channel.flops(B, N)

    def training_flops(self, B: int, N: int) -> int:
        return self.trunk.training_flops(B, N) + self.channel.training_flops(B, N)

    def flops_by_slot(self, B: int, N: int, *, training: bool = False) -> dict[str, int]:
        of_channel = self.channel.training_flops(B, N) if training else self.channel.flops(B, N)
        return {**self.trunk.flops_by_slot(B, N, training=training), self.channel.slot: of_channel}


@register("model", "channel_alone")
class ChannelAlone(Model):
    """A channel without a trunk: what a model beside it has to add to."""

    sees_order = False
    slots: ClassVar[tuple[str, ...]] = ("channel",)
    default_slots: ClassVar[Mapping[str, str]] = {"channel": "ngrams"}

    def __init__(self, dims: Dims, parts: Parts) -> None:
        super().__init__()
        self.dims = dims
        self.channel = parts.build("channel", "channel")

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        return ModelOutput(self.channel(ids_BN, mask_BN))

    def flops(self, B: int, N: int) -> int:
        return self.channel.flops(B, N)
