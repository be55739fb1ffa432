"""Models with one fault each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swarmformer.components.pooling.mean import Mean
from swarmformer.contracts import Dims, Model, ModelOutput, Probability


class SoundModel(Model):
    """Mean of embeddings, linear."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.dims, self.pooling = dims, Mean(dims)
        self.embed, self.dropout = nn.Embedding(dims.vocab_size, dims.d_model), nn.Dropout(dropout)
        self.classifier = nn.Linear(dims.d_model, dims.num_classes)

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        return ModelOutput(self.classifier(self.dropout(self.pooling(self.embed(ids_BN), mask_BN))))

    def flops(self, B: int, N: int) -> int:
        return 2 * B * self.classifier.weight.numel()


class WrongModelFlops(SoundModel):
    """Counts its classifier once per token."""

    def flops(self, B: int, N: int) -> int:
        return N * super().flops(B, N)


class WrongModelTrainingFlops(SoundModel):
    """Takes training for twice the forward pass."""

    def training_flops(self, B: int, N: int) -> int:
        return 2 * self.flops(B, N)


class ModelThatSeesPads(SoundModel):
    """Pools over everything."""

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        return super().detailed(ids_BN)


class BlindModel(SoundModel):
    """Looks at the length alone."""

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        return super().detailed(torch.zeros_like(ids_BN), mask_BN)


class ForeseesTokens(SoundModel):
    """Says that it is causal, and gives each token the mean of the whole text."""

    causal = gives_states = True

    def detailed(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> ModelOutput:
        output, x_BND = super().detailed(ids_BN, mask_BN), self.embed(ids_BN)
        return ModelOutput(output.logits_BK, states_BND=x_BND + self.pooling(x_BND, mask_BN).unsqueeze(1))
