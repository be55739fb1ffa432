"""Enhancement 5: layer normalisation before every MLP and attention block, and once at the end."""

from __future__ import annotations

from torch import Tensor, nn

from swarmformer.contracts import Dims, Norm
from swarmformer.registry import register


@register("norm", "layer_norm")
class LayerNorm(Norm):
    """(x − mean) / √(variance + eps) · weight + bias over the last dimension (Ba et al. 2016).

    Options:
        eps: added to the variance.
    """

    sees_order = False

    def __init__(self, dims: Dims, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dims.d_model, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)
