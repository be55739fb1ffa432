"""Components that are sound, and the same with one fault each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.components.cluster.attention import ClusterAttention
from swarmformer.components.feedback.gated_linear import GatedLinear
from swarmformer.components.pooling.mean import Mean
from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.components.router.learned import Learned
from swarmformer.contracts import Dims, Local, Model, ModelOutput, Norm, Probability, Pyramid


class Sound(Local):
    """x + drop(W · mean of the real tokens so far)."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(dims.d_model, dims.d_model), nn.Dropout(dropout)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        weight = torch.ones_like(x_BND[..., :1]) if mask_BN is None else mask_BN.unsqueeze(-1).to(x_BND.dtype)
        value = self.value(x_BND if norm is None else norm(x_BND))
        mean = (value * weight).cumsum(dim=1) / self.count(weight)
        return x_BND + self.dropout(self.linear(mean))

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND

    def count(self, weight_BN1: Tensor) -> Tensor:
        return weight_BN1.cumsum(dim=1).clamp(min=1)

    def flops(self, B: int, N: int) -> int:
        return 2 * B * N * self.linear.weight.numel()


class LeaksPads(Sound):
    """Divides by all positions so far, of which pads amid the text are some, and adds a little of the last place."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return super().forward(x_BND, mask_BN, norm) + 1e-3 * x_BND[:, -1:]


class IgnoresTheMask(Sound):
    """Takes a mask and does nothing with it."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return super().forward(x_BND.flip(1), None, norm).flip(1)


class ForgetsAGradient(Sound):
    """Has a parameter that takes no part."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__(dims, dropout=dropout)
        self.idle = nn.Parameter(torch.zeros(3))


class DetachesItsInput(Sound):
    """Nothing before it learns."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return super().forward(x_BND.detach(), mask_BN, norm)


class TakesAnything(Sound):
    """Its options cannot be read."""

    def __init__(self, dims: Dims, **options: Any) -> None:
        super().__init__(dims)


class WrongFlops(Sound):
    """Counts multiply-adds once."""

    def flops(self, B: int, N: int) -> int:
        return B * N * self.linear.weight.numel()


class WrongTrainingFlops(Sound):
    """Forgets that the input of its product wants a gradient too."""

    def training_flops(self, B: int, N: int) -> int:
        return 2 * self.flops(B, N)


class ConstantOperand(Sound):
    """Mixes tokens by a constant matrix, and leaves the count of a training step at three passes."""

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND @ torch.eye(x_BND.shape[-1], dtype=x_BND.dtype, device=x_BND.device)

    def flops(self, B: int, N: int) -> int:
        return 2 * super().flops(B, N)


class NaNOnEmptyTexts(Sound):
    """Divides by the number of tokens, zero included."""

    def count(self, weight_BN1: Tensor) -> Tensor:
        return weight_BN1.cumsum(dim=1)


class RandomInEvaluation(Sound):
    """Its noise never ends."""

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND + 1e-3 * torch.randn_like(x_BND)


class WrongShape(Sound):
    """Cuts the text to an even length."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        N = x_BND.shape[1]
        return super().forward(x_BND, mask_BN, norm)[:, : N if N % 2 == 0 else N - 1]


class RefusesShortTexts(Sound):
    """Needs five tokens."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        if x_BND.shape[1] < 5:
            raise ValueError("too short")
        return super().forward(x_BND, mask_BN, norm)


class RoughAtPads(Sound):
    """Leaves numbers of size at pads, which nobody may read."""

    rough_at_pads = True

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        real = torch.ones_like(x_BND[..., 0], dtype=torch.bool) if mask_BN is None else mask_BN
        rough = (real != self.rough_at_pads).unsqueeze(-1)
        return super().forward(x_BND, mask_BN, norm) + rough * self.linear(100 * x_BND)


class RoughAtTokens(RoughAtPads):
    """The same at real tokens, where rounding is seen."""

    rough_at_pads = False


class StaysInFp32(Sound):
    """Forgets the dtype that it was given."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return super().forward(x_BND, mask_BN, norm).float()


class CreatedLazily(Sound):
    """Makes its weights when it first sees an input."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__(dims, dropout=dropout)
        self.scale: nn.Parameter | None = None

    def value(self, x_BND: Tensor) -> Tensor:
        if self.scale is None:
            self.scale = nn.Parameter(torch.ones(x_BND.shape[-1], device=x_BND.device, dtype=x_BND.dtype))
        return x_BND * self.scale


class OnAFixedDevice(Sound):
    """Makes a parameter on the CPU wherever it is built."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__(dims, dropout=dropout)
        self.scale = nn.Parameter(torch.ones(dims.d_model, device="cpu"))

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND * self.scale.to(x_BND.device)


class MixesTexts(Sound):
    """Subtracts the mean over the batch."""

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND - x_BND.mean(dim=0, keepdim=True)


class ClaimsAFault(Sound):
    """Says that pads touch its result; they do not."""

    honours_mask = False


class ForgetsItsBuffer(Sound):
    """What matters is not in the state dict."""

    scale_D: Tensor

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__(dims, dropout=dropout)
        self.register_buffer("scale_D", torch.rand(dims.d_model), persistent=False)

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND * self.scale_D


class KeepsItsGraph(Sound):
    """Holds on to a tensor of the last step, so that it cannot be copied."""

    last: Tensor | None = None

    def value(self, x_BND: Tensor) -> Tensor:
        self.last = x_BND * self.linear.bias
        return x_BND


class ForgetsDropout(Sound):
    """Takes the option and does nothing with it."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__(dims)


class ForgetsTheNorm(Sound):
    """Takes a norm and does nothing with it."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return super().forward(x_BND, mask_BN)


class Wordless(Sound):
    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND


class MisfitDefault(Sound):
    """Its default is outside its own limits."""

    def __init__(self, dims: Dims, *, dropout: Probability = 2.0) -> None:
        super().__init__(dims)


class GrowsWithTraining(Sound):
    """Overflows at the end of a schedule."""

    share: Tensor

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__(dims, dropout=dropout)
        self.register_buffer("share", torch.zeros(()))

    def set_progress(self, done: float) -> None:
        self.share.fill_(done)

    def value(self, x_BND: Tensor) -> Tensor:
        return x_BND / (1 - self.share)


class BatchNorm(Norm):
    """Normalises over the texts of a batch."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=0, keepdim=True)


class Crooked(FixedChunk):
    """Its broadcast is not linear."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> Any:
        assignment: Any = super().forward(x_BND, mask_BN, cluster_size)
        straight = assignment.broadcast
        assignment.broadcast = lambda c_BCX: straight(c_BCX) + 0.1
        return assignment


class ClaimsSignals(FixedChunk):
    """Says that it signals."""

    signals = True


class LossOfPads(FixedChunk):
    """Its auxiliary loss counts pads."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None, cluster_size: int) -> Any:
        assignment = super().forward(x_BND, mask_BN, cluster_size)
        assignment.losses["size"] = x_BND.square().mean()
        return assignment


class WrongRouterFlops(Learned):
    """Its cost leaves out the pool."""

    test_options = ()

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)

    def flops(self, B: int, N: int, cluster_size: int) -> int:
        return super().flops(B, N, cluster_size) - 2 * B * N * -(-N // cluster_size) * self.d_model


class WrongBroadcastFlops(Learned):
    """Takes its weights for constants when it counts what sending back costs in training."""

    test_options = ()

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)

    def broadcast_training_flops(self, B: int, N: int, cluster_size: int, width: int) -> int:
        return 2 * self.broadcast_flops(B, N, cluster_size, width)


class Deaf(ClusterAttention):
    """Ignores the signal."""

    test_options = ()

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)

    def forward(self, c_BCD: Tensor, mask_BC: Any = None, norm: Any = None, signal_BC: Any = None) -> Tensor:
        return super().forward(c_BCD, mask_BC, norm)


class LeavesMaskedClusters(ClusterAttention):
    """Masked clusters come out with something."""

    test_options = ()

    def __init__(self, dims: Dims) -> None:
        super().__init__(dims)

    def forward(self, c_BCD: Tensor, mask_BC: Any = None, norm: Any = None, signal_BC: Any = None) -> Tensor:
        return super().forward(c_BCD, mask_BC, norm, signal_BC) + c_BCD


class SendsMore(GatedLinear):
    """Understates what it sends through the router."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0) -> None:
        super().__init__(dims, dropout=dropout)
        self.broadcast_width = 1


class Top(Mean):
    """Empty texts give ones."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        mean = super().forward(x_BND, mask_BN)
        return mean if mask_BN is None else mean + (~mask_BN.any(dim=1, keepdim=True)).to(mean.dtype)


class ReachesFurther(Sound):
    """Says that it knows four tokens on either side, and knows all before."""

    reach = 4


class EqualStretches(Mean):
    """Weighs stretches of a text alike, however many of their tokens are real."""

    def log_weight(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        return x_BND.new_zeros(len(x_BND), 1)


class AttendsWithinParts(ClusterAttention):
    """Attends among the clusters of a part alone."""

    def stream(
        self,
        c_BCD: Tensor,
        mask_BC: Tensor | None = None,
        norm: nn.Module | None = None,
        signal_BC: Tensor | None = None,
        *,
        size: int,
    ) -> Iterator[Tensor]:
        masks = [None] * c_BCD.shape[1] if mask_BC is None else mask_BC.split(size, dim=1)
        for c, mask in zip(c_BCD.split(size, dim=1), masks, strict=False):
            yield self(c, mask, norm)


class Shrinking(Pyramid):
    """Ends with clusters of half a token."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.size = dims.cluster_size

    def cluster_size(self, layer: int) -> int:
        return self.size // 4**layer


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


class MeanOverPads(Mean):
    """Admits that pads count."""

    honours_mask = False

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        return x_BND.mean(dim=1)


class NaNOverPads(MeanOverPads):
    """Admits that pads count, and makes NaN of them."""

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        mean_BD = super().forward(x_BND, mask_BN)
        return mean_BD if mask_BN is None or bool(mask_BN.all()) else mean_BD * float("nan")


class WrongSignature(Sound):
    """Its forward leaves out what the slot hands to it."""

    def forward(self, x_BND: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x_BND)


class CannotBeBuilt(Sound):
    """Asks for a size that there is not."""

    def __init__(self, dims: Dims, *, dropout: Probability = 0.0, wide: bool = True) -> None:
        super().__init__(dims, dropout=dropout)
        self.idle = nn.Linear(dims.width, 1)  # type: ignore[attr-defined]


class WrongProduct(Sound):
    """A product that does not fit."""

    def value(self, x_BND: Tensor) -> Tensor:
        return nn.functional.linear(x_BND, torch.zeros(3, 3))


class Spectral(Local):
    """Mixes by a Fourier transform along the text; pads are zeros, and there are more of them in a longer row."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        real_BND = x_BND if mask_BN is None else x_BND * mask_BN.unsqueeze(-1)
        return x_BND + torch.fft.fft(real_BND, dim=1).real


class MeantSpectral(Spectral):
    """The same, and says so."""

    honours_mask = False
