"""Deep averaging network: a bag of words with hidden layers; what order and attention must beat."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from swarmformer.components.pooling.mean import Mean
from swarmformer.contracts import Dims, Model, ModelOutput, Probability
from swarmformer.models.parts import Parts, linear_flops
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


@register("model", "deep_averaging")
class DeepAveraging(Model):
    """Mean of embeddings, ``num_layers`` hidden layers with ReLU, linear (Iyyer et al. 2015, DAN).

    Options:
        word_dropout: chance that a word is left out of the mean, in training only. A text that loses all its
            words has a mean of zero.
        dropout: after every hidden layer.
    """

    sees_order = False
    slots: ClassVar[tuple[str, ...]] = ("embedding",)

    def __init__(
        self, dims: Dims, parts: Parts, *, word_dropout: Probability = 0.0, dropout: Probability = 0.0
    ) -> None:
        super().__init__()
        self.dims, self.word_dropout = dims, word_dropout
        self.embedding = parts.build("embedding", "embedding")
        self.mean = Mean(dims)
        D = dims.d_model
        with parts.stream("classifier"):
            hidden = [m for _ in range(dims.num_layers) for m in (nn.Linear(D, D), nn.ReLU(), Dropout(dropout))]
            self.classifier = nn.Sequential(*hidden, nn.Linear(D, dims.num_classes))

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        mean_BD = self.mean(self.embedding(ids_BN), self._kept(ids_BN, mask_BN))
        return ModelOutput(self.classifier(mean_BD))

    def _kept(self, ids_BN: Tensor, mask_BN: Tensor | None) -> Tensor | None:
        if not self.training or self.word_dropout == 0:
            return mask_BN
        kept_BN = torch.rand(ids_BN.shape, device=ids_BN.device) >= self.word_dropout
        return kept_BN if mask_BN is None else kept_BN & mask_BN

    def flops(self, B: int, N: int) -> int:
        return self.embedding.flops(B, N) + linear_flops(self.classifier, B)
