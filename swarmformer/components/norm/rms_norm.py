"""Root-mean-square normalisation: layer normalisation without its mean and bias."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from swarmformer.contracts import Dims, Norm
from swarmformer.registry import register


@register("norm", "rms_norm")
class RMSNorm(Norm):
    """x / √(mean of x² + eps) · weight over the last dimension (Zhang & Sennrich 2019).

    Options:
        eps: added to the mean square, so that a row of zeros stays zero.
    """

    sees_order = False

    def __init__(self, dims: Dims, *, eps: Annotated[float, Field(gt=0)] = 1e-6) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(dims.d_model, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)
