"""Convolutions over words and the strongest response to each: the classic small text classifier."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import AtLeastOne, Dims, Model, ModelOutput, Probability
from swarmformer.models.parts import Parts, linear_flops
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


class MaxOverTime(nn.Module):
    """x_BDN → [B, filters]: ReLU of a convolution of ``width`` words, and its maximum over the text.

    The text stands between zeros, width − 1 on either side, so that one shorter than the filter has windows
    too. A window counts if it holds a real token; a text without any gives zero.
    """

    def __init__(self, D: int, filters: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.conv = nn.Conv1d(D, filters, width, padding=width - 1)

    def forward(self, x_BDN: Tensor, mask_BN: Tensor | None) -> Tensor:
        response_BFM = F.relu(self.conv(x_BDN))
        if mask_BN is not None:
            beside = self.width - 1
            counts_BM = F.pad(mask_BN, (beside, beside)).unfold(1, self.width, 1).any(dim=-1)
            # Responses are at least zero, so zero never is the maximum in place of one that counts.
            response_BFM = response_BFM.masked_fill(~counts_BM.unsqueeze(1), 0.0)
        return response_BFM.amax(dim=-1)

    def flops(self, B: int, N: int) -> int:
        return 2 * B * (N + self.width - 1) * self.conv.weight.numel()


@register("model", "cnn")
class CNN(Model):
    """Filters of several widths over words, maximum over time, dropout, linear (Kim 2014). Has one layer.

    Options:
        widths: of the filters, in words.
        filters: of each width.
        dropout: on the maxima.
    """

    slots: ClassVar[tuple[str, ...]] = ("embedding",)

    def __init__(
        self,
        dims: Dims,
        parts: Parts,
        *,
        widths: Annotated[tuple[AtLeastOne, ...], Field(min_length=1)] = (3, 4, 5),
        filters: AtLeastOne = 100,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.dims, self.sees_order = dims, max(widths) > 1
        self.embedding = parts.build("embedding", "embedding")
        with parts.stream("convolutions"):
            self.convolutions = nn.ModuleList(MaxOverTime(dims.d_model, filters, width) for width in widths)
        self.dropout = Dropout(dropout)
        with parts.stream("classifier"):
            self.classifier = nn.Linear(len(widths) * filters, dims.num_classes)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        x_BND = self.embedding(ids_BN)
        if mask_BN is not None:
            x_BND = x_BND * mask_BN.unsqueeze(-1)
        x_BDN = x_BND.transpose(1, 2)
        strongest = torch.cat([convolution(x_BDN, mask_BN) for convolution in self.convolutions], dim=-1)
        return ModelOutput(self.classifier(self.dropout(strongest)))

    def flops(self, B: int, N: int) -> int:
        convolutions = sum(convolution.flops(B, N) for convolution in self.convolutions)  # type: ignore[operator]
        return self.embedding.flops(B, N) + convolutions + linear_flops(self.classifier, B)
