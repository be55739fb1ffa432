"""A convolution per feature and a mix of the features: the plainest local update that knows left from right."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import AtLeastOne, Dims, Local, Probability
from swarmformer.errors import SpecError
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


@register("local", "depthwise_conv")
class DepthwiseConv(Local):
    """x + drop(W·GELU(depthwise convolution of norm(x))), zeros beyond the ends (after Chollet 2017).

    Pads are zero before the convolution, so they are no different from the end of the text. A kernel of 7
    reaches as far as three steps of rolling_shift.

    Options:
        kernel: tokens that the convolution sees; odd. It may be longer than the text.
        dropout: on the update.
    """

    test_options = ({"kernel": 1}, {"kernel": 31})

    def __init__(self, dims: Dims, *, kernel: AtLeastOne = 7, dropout: Probability = 0.0) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise SpecError(
                f"local.depthwise_conv: kernel = {kernel} has no middle; use an odd number such as {kernel + 1}",
                path=("kernel",),
            )
        D = dims.d_model
        self.d_model, self.kernel, self.reach = D, kernel, kernel // 2
        self.depthwise = nn.Conv1d(D, D, kernel, padding=kernel // 2, groups=D)
        self.pointwise = nn.Linear(D, D)
        self.dropout = Dropout(dropout)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        u_BND = x_BND if norm is None else norm(x_BND)
        if mask_BN is not None:
            u_BND = u_BND * mask_BN.unsqueeze(-1)
        u_BND = self.depthwise(u_BND.mT).mT
        return x_BND + self.dropout(self.pointwise(F.gelu(u_BND)))

    def flops(self, B: int, N: int) -> int:
        # A group of one feature: kernel multiply-adds per token and feature, and torch's counter agrees.
        return 2 * B * N * self.d_model * self.kernel + 2 * B * N * self.d_model * self.d_model
