"""Mean of embeddings and a linear layer: the baseline that any model of text must beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from swarmformer.components.pooling.mean import Mean
from swarmformer.contracts import Dims, Model, ModelOutput, Probability
from swarmformer.models.parts import Parts
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


@register("model", "bag_of_embeddings")
class BagOfEmbeddings(Model):
    """Mean of token embeddings over real tokens, dropout, linear (Iyyer et al. 2015, NBOW)."""

    sees_order = False
    slots: ClassVar[tuple[str, ...]] = ("embedding",)
    default_slots: ClassVar[Mapping[str, str]] = {"embedding": "token"}

    def __init__(self, dims: Dims, parts: Parts, *, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.dims = dims
        self.embedding = parts.build("embedding")
        self.pooling = Mean(dims)
        self.dropout = Dropout(dropout)
        self.classifier = nn.Linear(dims.d_model, dims.num_classes)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        pooled_BD = self.pooling(self.embedding(ids_BN), mask_BN)
        return ModelOutput(self.classifier(self.dropout(pooled_BD)))

    def flops(self, B: int, N: int) -> int:
        return self.embedding.flops(B, N) + 2 * B * self.dims.d_model * self.dims.num_classes
