"""Enhancement 1: every token attends to the tokens within a window around it."""

from __future__ import annotations

from typing import Annotated

import torch
from einops import rearrange
from pydantic import Field
from torch import Tensor, nn

from swarmformer.components.shared import Gate, check_heads, dropout_now, head_remarks, heads_of_width, watch_attention
from swarmformer.contracts import Dims, Local, Probability
from swarmformer.contracts.measure import ATTENTION, OPENNESS
from swarmformer.errors import SpecError
from swarmformer.ops.attention import attend, average
from swarmformer.ops.dropout import Dropout
from swarmformer.ops.gating import add
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
        dropout: on the attention weights, within the MLP, and on the output.
        mlp: width, as a multiple of d_model, of a residual MLP after the attention; 0 for none. It shares the norm.
        gate: a gate as in the published local update, on what the attention adds.
        head_width: least features of a head; fewer heads are taken where d_model has no room for ``heads``.
        uniform: a placebo: all real tokens of the window weigh the same. There are then no queries, keys
            and biases to learn, and ``relative_bias`` means nothing.
    """

    no_decay = ("gate",)
    measures = {**ATTENTION, **OPENNESS}
    test_options = ({"mlp": 2.0, "gate": True, "uniform": True}, {"heads": 4, "head_width": 32, "mlp": 0.5})

    def __init__(
        self,
        dims: Dims,
        *,
        window: int = 16,
        heads: int = 4,
        relative_bias: bool = True,
        dropout: Probability = 0.0,
        uniform: bool = False,
        mlp: Annotated[float, Field(ge=0)] = 0.0,
        gate: bool = False,
        head_width: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        if window < 1:
            raise SpecError(f"local.windowed_attention: window must be at least 1, got {window}", path=("window",))
        check_heads("local.windowed_attention", heads, dims.d_model)
        self.asked, self.length, self.reach = heads, dims.seq_len, window
        self.sees_order = relative_bias and not uniform
        D, heads = dims.d_model, heads_of_width(heads, dims.d_model, head_width)
        self.d_model, self.window, self.heads, self.dropout, self.uniform = D, window, heads, dropout, uniform
        if uniform:
            self.value = nn.Linear(D, D)
        else:
            self.qkv = nn.Linear(D, 3 * D)
            self.bias_HR = nn.Parameter(torch.zeros(heads, 2 * window + 1)) if relative_bias else None
        self.out = nn.Linear(D, D)
        self.out_dropout = Dropout(dropout)
        self.hidden, self.mlp = round(mlp * D), None
        if self.hidden:
            inner = nn.Linear(D, self.hidden), nn.GELU(), Dropout(dropout), nn.Linear(self.hidden, D)
            self.mlp = nn.Sequential(*inner)
        self.gate = Gate(D) if gate else None

    def forward(self, x_BND: Tensor, mask_BN: Tensor | None = None, norm: nn.Module | None = None) -> Tensor:
        mixed_BHND = self._mix(x_BND if norm is None else norm(x_BND), mask_BN)
        mixed_BND = rearrange(mixed_BHND, "b h n d -> b n (h d)")
        u_BND = self.out_dropout(self.out(mixed_BND))
        x_BND = x_BND + u_BND if self.gate is None else self._gated(x_BND, u_BND, mask_BN)
        if self.mlp is None:
            return x_BND
        return x_BND + self.out_dropout(self.mlp(x_BND if norm is None else norm(x_BND)))

    def _gated(self, x_BND: Tensor, u_BND: Tensor, mask_BN: Tensor | None) -> Tensor:
        assert self.gate is not None
        gate_BND = self.gate(x_BND, u_BND)
        if self.watched is not None:
            self.watched.over_tokens("openness", gate_BND, mask_BN)
        return add(x_BND, u_BND, gate_BND)

    def _mix(self, x_BND: Tensor, mask_BN: Tensor | None) -> Tensor:
        dropout_p = dropout_now(self, self.dropout)
        if self.uniform:
            return average(self._split(self.value(x_BND)), mask_BN=mask_BN, window=self.window, dropout_p=dropout_p)
        q, k, v = (self._split(part) for part in self.qkv(x_BND).chunk(3, dim=-1))
        if self.watched is not None:
            watch_attention(self.watched, q, k, mask_BN, None, self.window, self.bias_HR)
        return attend(q, k, v, mask_BM=mask_BN, window=self.window, bias_HR=self.bias_HR, dropout_p=dropout_p)

    def _split(self, x_BND: Tensor) -> Tensor:
        return rearrange(x_BND, "b n (h d) -> b h n d", h=self.heads)

    def remarks(self) -> tuple[str, ...]:
        covers = self.window >= self.length - 1
        whole = (f"a window of {self.window} tokens covers every text of {self.length}",) if covers else ()
        return (*whole, *(() if self.uniform else head_remarks(self.asked, self.heads, self.d_model)))

    def flops(self, B: int, N: int) -> int:
        """As computed in chunks, whatever the back end; uniform weights save queries, keys and their product."""
        D, padded = self.d_model, N + -N % self.window
        matrices, products = (2, 1) if self.uniform else (4, 2)
        attention = 2 * B * N * matrices * D * D + products * 2 * B * padded * 3 * self.window * D
        gate = 0 if self.gate is None else self.gate.flops(B * N)
        return attention + gate + 2 * B * N * 2 * D * self.hidden

    def training_flops(self, B: int, N: int) -> int:
        """Uniform weights are constants and want no gradient: their product takes two passes."""
        saved = 2 * B * (N + -N % self.window) * 3 * self.window * self.d_model if self.uniform else 0
        return super().training_flops(B, N) - saved
