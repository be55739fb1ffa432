"""No local update: the baseline of every comparison between local updates."""

from __future__ import annotations

from torch import Tensor, nn

from swarmformer.contracts import Dims, Local
from swarmformer.registry import register


@register("local", "identity")
class Identity(Local):
    """x → x: tokens meet each other in their clusters alone (a placebo).

    There is no MLP and no attention inside, so ``norm`` is not used.
    """

    sees_order = False
    reach = 0

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        return x_BND

    def flops(self, B: int, N: int) -> int:
        return 0
