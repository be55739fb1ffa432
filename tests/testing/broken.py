"""Components of the slot local that are sound, and the same with one fault each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.contracts import Dims, Local, Probability


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


class ReachesFurther(Sound):
    """Says that it knows four tokens on either side, and knows all before."""

    reach = 4


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
