"""Components with a fault that shows in what a pass leaves behind, in training, or away from the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.components.cluster.attention import ClusterAttention
from swarmformer.components.router.fixed_chunk import ChunkAssignment, FixedChunk
from swarmformer.contracts import Dims, Embedding, Norm, Router
from tests.testing.broken import Sound


class Askew(Sound):
    """Is a question a summary?"""


class WritesStates(Sound):
    """Scales its input where it stands."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        x_BND *= 2
        return super().forward(x_BND, mask_BN, norm)


class DropsTokensInPlace(Sound):
    """Hides tokens in training by writing into the mask that others go on with."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        if self.training and mask_BN is not None:
            mask_BN &= torch.rand(mask_BN.shape, device=mask_BN.device) > 0.3
        return super().forward(x_BND, mask_BN, norm)


class UnmasksTheFirst(Sound):
    """Takes the first token for real, and so does everything after it."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        if mask_BN is not None:
            mask_BN[:, 0] = True
        return super().forward(x_BND, mask_BN, norm)


class WritesIds(Embedding):
    """Makes rare ids one, where they stand."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.table = nn.Embedding(6, dims.d_model)

    def forward(self, ids_BN: Tensor) -> Tensor:
        ids_BN[ids_BN > 5] = 5
        return self.table(ids_BN)


class WritesSignals(ClusterAttention):
    """Halves the signal where it stands."""

    test_options = ()

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)

    def forward(self, c_BCD: Tensor, mask_BC: Any = None, norm: Any = None, signal_BC: Any = None) -> Tensor:
        if signal_BC is not None:
            signal_BC *= 0.5
        return super().forward(c_BCD, mask_BC, norm, signal_BC)


class WritesWhatIsSent(FixedChunk):
    """Scales what clusters send back where it stands, and gives it back as it was."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> Any:
        assignment: Any = super().forward(x_BND, mask_BN, cluster_size)
        straight = assignment.broadcast
        assignment.broadcast = lambda c_BCX: straight(c_BCX.mul_(2)) / 2
        return assignment


class CountsSteps(Sound):
    """Counts its steps in a number that is not saved."""

    steps = 0

    def value(self, x_BND: Tensor) -> Tensor:
        self.steps += self.training
        return x_BND / (1 + 0.1 * self.steps)


class ForgetsWhatItSaw(Sound):
    """The greatest value of its training stands in a buffer that is not saved."""

    greatest: Tensor

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.register_buffer("greatest", torch.ones(()), persistent=False)

    def value(self, x_BND: Tensor) -> Tensor:
        scaled_BND = x_BND / self.greatest.clone().to(x_BND.dtype)
        if self.training:
            self.greatest.copy_(torch.maximum(self.greatest, x_BND.detach().abs().amax()))
        return scaled_BND


class PlainConstant(Sound):
    """Keeps a constant as an attribute, and moves it in every pass."""

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.place = torch.linspace(0, 1, dims.d_model)

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND * self.place.to(x_BND)


class PlainInside(Sound):
    """Has the constant in a module of its own."""

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)
        self.inner = nn.Identity()
        self.inner.place = torch.linspace(0, 1, dims.d_model)  # type: ignore[assignment]

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND * self.inner.place.to(x_BND)  # type: ignore[operator]


class CountsOnTheCpu(Sound):
    """Makes places without saying where."""

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND / (1 + torch.arange(x_BND.shape[1], dtype=x_BND.dtype)[:, None])


class CentresOverTheBatch(Sound):
    """Subtracts the mean over the real tokens of a batch, in training alone."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        if self.training and mask_BN is not None:
            real_BN1 = mask_BN.unsqueeze(-1).to(x_BND.dtype)
            x_BND = x_BND - (x_BND * real_BN1).sum((0, 1)) / real_BN1.sum().clamp(min=1)
        return super().forward(x_BND, mask_BN, norm)


class RunningNorm(Norm):
    """Batch norm: evaluation uses what training saw, training the batch."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dims.d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.reshape(-1, x.shape[-1])).reshape(x.shape)


class WholeRunningNorm(RunningNorm):
    """Says that it needs the batch."""

    whole_batch = True


class GatedChunks(Router):
    """Chunks with a loss on a gate of every token: in sum over texts, each the mean over its tokens."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.gate = nn.Linear(dims.d_model, 1)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> Any:
        real_BN = x_BND.new_ones(x_BND.shape[:2], dtype=torch.bool) if mask_BN is None else mask_BN
        assignment = ChunkAssignment(x_BND.shape[1], cluster_size, real_BN)
        if self.training:
            assignment.losses["gate"] = self.loss(self.gate(x_BND).squeeze(-1).float(), real_BN.float())
        return assignment

    def loss(self, gate_BN: Tensor, real_BN: Tensor) -> Tensor:
        return self.of_texts(gate_BN.square(), real_BN).sum()

    def of_texts(self, value_BN: Tensor, real_BN: Tensor) -> Tensor:
        return (value_BN * real_BN).sum(dim=1) / real_BN.sum(dim=1).clamp(min=1)

    def of_tokens(self, value_BN: Tensor, real_BN: Tensor) -> Tensor:
        return (value_BN * real_BN).sum() / real_BN.sum().clamp(min=1)


class MeanOfTexts(GatedChunks):
    """The mean over texts."""

    def loss(self, gate_BN: Tensor, real_BN: Tensor) -> Tensor:
        return self.of_texts(gate_BN.square(), real_BN).sum() / real_BN.any(dim=1).sum().clamp(min=1)


class MeanOfTokens(GatedChunks):
    """The mean over tokens."""

    def loss(self, gate_BN: Tensor, real_BN: Tensor) -> Tensor:
        return self.of_tokens(gate_BN.square(), real_BN)


class SaidMeanOfTokens(MeanOfTokens):
    """The mean over tokens, as it says."""

    whole_batch = True
    means_over = {"gate": "tokens"}


class SaidMeanOfTexts(MeanOfTokens):
    """The mean over tokens, where it says that it is one over texts."""

    whole_batch = True
    means_over = {}


class BalancesTheBatch(GatedChunks):
    """Pulls the mean over the batch to a half: no mean of what texts give."""

    def loss(self, gate_BN: Tensor, real_BN: Tensor) -> Tensor:
        return (self.of_tokens(gate_BN.sigmoid(), real_BN) - 0.5).square()


class SaidBalance(BalancesTheBatch):
    """Says that it needs the batch."""

    whole_batch = True


class MeanOfPlaces(GatedChunks):
    """The mean over all places, of which a text that is padded further has more."""

    def loss(self, gate_BN: Tensor, real_BN: Tensor) -> Tensor:
        return (gate_BN.square() * real_BN).mean()


class NoisyGate(GatedChunks):
    """Draws noise in training."""

    def loss(self, gate_BN: Tensor, real_BN: Tensor) -> Tensor:
        return (torch.rand(len(real_BN), 1, device=gate_BN.device) * gate_BN.square() * real_BN).sum()
