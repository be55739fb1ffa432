"""Components of other slots than local with one fault each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from swarmformer.components.cluster.attention import ClusterAttention
from swarmformer.components.feedback.gated_linear import GatedLinear
from swarmformer.components.pooling.mean import Mean
from swarmformer.components.router.fixed_chunk import FixedChunk
from swarmformer.components.router.learned import Learned
from swarmformer.contracts import Dims, Norm, Probability, Pyramid


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
