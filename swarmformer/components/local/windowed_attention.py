"""Enhancement 1: every token attends to the tokens within a window around it."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from swarmformer.components.shared import check_heads
from swarmformer.contracts import Dims, Local, Probability
from swarmformer.errors import SpecError
from swarmformer.ops.attention import attend, average
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register


@register("local", "windowed_attention")
class WindowedAttention(Local):
    """x + out(attention within ±window tokens), no wrap-around, time and memory linear in N.

    The text is cut into blocks of ``window`` tokens; keys and values of a block are the previous,
    the own and the next block, and a band mask leaves the tokens at most ``window`` away.
    Sources: Beltagy et al. 2020 (Longformer), Liu et al. 2021 (Swin: relative position bias).

    Options:
        window: radius of the window in tokens.
        heads: attention heads; must divide d_model.
        relative_bias: a learned bias per head and distance; without it the block is blind to order.
        dropout: on the attention weights and on the output.
        uniform: a placebo: all real tokens of the window weigh the same. There are then no queries, keys
            and biases to learn, and ``relative_bias`` means nothing.
    """

    def __init__(
        self,
        dims: Dims,
        *,
        window: int = 16,
        heads: int = 4,
        relative_bias: bool = True,
        dropout: Probability = 0.0,
        uniform: bool = False,
    ) -> None:
        super().__init__()
        if window < 1:
            raise SpecError(f"local.windowed_attention: window must be at least 1, got {window}", path=("window",))
        check_heads("local.windowed_attention", heads, dims.d_model)
        D = dims.d_model
        self.d_model, self.window, self.heads, self.dropout, self.uniform = D, window, heads, dropout, uniform
        if uniform:
            self.value = nn.Linear(D, D)
        else:
            self.qkv = nn.Linear(D, 3 * D)
            self.bias_HR = nn.Parameter(torch.zeros(heads, 2 * window + 1)) if relative_bias else None
        self.out = nn.Linear(D, D)
        self.out_dropout = Dropout(dropout)

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        mixed_BHND = self._mix(x_BND if norm is None else norm(x_BND), mask_BN)
        mixed_BND = rearrange(mixed_BHND, "b h n d -> b n (h d)")
        return x_BND + self.out_dropout(self.out(mixed_BND))

    def _mix(self, x_BND: Tensor, mask_BN: Tensor | None) -> Tensor:
        dropout_p = self.dropout if self.training else 0.0
        if self.uniform:
            return average(self._split(self.value(x_BND)), mask_BN=mask_BN, window=self.window, dropout_p=dropout_p)
        q, k, v = (self._split(part) for part in self.qkv(x_BND).chunk(3, dim=-1))
        return attend(q, k, v, mask_BM=mask_BN, window=self.window, bias_HR=self.bias_HR, dropout_p=dropout_p)

    def _split(self, x_BND: Tensor) -> Tensor:
        return rearrange(x_BND, "b n (h d) -> b h n d", h=self.heads)

    def flops(self, B: int, N: int) -> int:
        """As computed in chunks, whatever the back end; uniform weights save queries, keys and their product."""
        D, padded = self.d_model, N + -N % self.window
        matrices, products = (2, 1) if self.uniform else (4, 2)
        return 2 * B * N * matrices * D * D + products * 2 * B * padded * 3 * self.window * D

    def training_flops(self, B: int, N: int) -> int:
        """Uniform weights are constants and want no gradient: their product takes two passes."""
        saved = 2 * B * (N + -N % self.window) * 3 * self.window * self.d_model if self.uniform else 0
        return super().training_flops(B, N) - saved
