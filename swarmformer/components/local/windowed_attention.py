"""Enhancement 1: every token attends to the tokens within a window around it."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.components.heads import check_heads
from swarmformer.errors import SpecError
from swarmformer.interfaces import Dims, Local, Probability
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
    """

    def __init__(
        self, dims: Dims, *, window: int = 16, heads: int = 4, relative_bias: bool = True, dropout: Probability = 0.0
    ) -> None:
        super().__init__()
        if window < 1:
            raise SpecError(f"local.windowed_attention: window must be at least 1, got {window}", path=("window",))
        check_heads("local.windowed_attention", heads, dims.d_model)
        D = dims.d_model
        self.d_model, self.window, self.heads, self.dropout = D, window, heads, dropout
        self.qkv = nn.Linear(D, 3 * D)
        self.out = nn.Linear(D, D)
        self.out_dropout = nn.Dropout(dropout)
        self.bias_HR = nn.Parameter(torch.zeros(heads, 2 * window + 1)) if relative_bias else None

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        N = x_BND.shape[1]
        q, k, v = self.qkv(x_BND if norm is None else norm(x_BND)).chunk(3, dim=-1)
        real_BN = x_BND.new_ones(1, N, dtype=torch.bool) if mask_BN is None else mask_BN
        mixed_BND = self._attend(q, k, v, real_BN)[:, :N]
        return x_BND + self.out_dropout(self.out(mixed_BND))

    def _attend(self, q_BND: Tensor, k_BND: Tensor, v_BND: Tensor, real_BN: Tensor) -> Tensor:
        W, N = self.window, q_BND.shape[1]
        pad = -N % W
        # G blocks of W queries; the keys of block g are tokens (g−1)·W … (g+2)·W.
        q = rearrange(F.pad(q_BND, (0, 0, 0, pad)), "b (g w) (h d) -> b g h w d", w=W, h=self.heads)
        k, v = (self._three_blocks(F.pad(t, (0, 0, W, pad + W))) for t in (k_BND, v_BND))
        real_BGK = F.pad(real_BN, (W, pad + W)).unfold(1, 3 * W, W)
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=self._mask(real_BGK, q.dtype), dropout_p=self.dropout if self.training else 0.0
        )
        return rearrange(mixed, "b g h w d -> b (g w) (h d)")

    def _three_blocks(self, x_BND: Tensor) -> Tensor:
        return rearrange(x_BND.unfold(1, 3 * self.window, self.window), "b g (h d) k -> b g h k d", h=self.heads)

    def _mask(self, real_BGK: Tensor, dtype: torch.dtype) -> Tensor:
        """Additive mask [B, G, H or 1, W, 3W]: −∞ outside the band and on pads, else the position bias."""
        W = self.window
        distance_WK = torch.arange(3 * W, device=real_BGK.device) - W - torch.arange(W, device=real_BGK.device)[:, None]
        band_WK = distance_WK.abs() <= W
        allowed = band_WK & real_BGK[:, :, None, None, :]
        # A pad query may have nobody to look at; let it look everywhere so that it stays finite.
        allowed = allowed | ~allowed.any(dim=-1, keepdim=True)
        if self.bias_HR is None:
            return allowed
        bias_HWK = self.bias_HR[:, distance_WK.clamp(-W, W) + W].to(dtype)
        return bias_HWK.masked_fill(~allowed, float("-inf"))

    def flops(self, B: int, N: int) -> int:
        D, padded = self.d_model, N + -N % self.window
        projections = 2 * B * N * 4 * D * D
        return projections + 2 * 2 * B * padded * 3 * self.window * D
