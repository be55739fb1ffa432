"""The three products of tokens with their neighbouring clusters, on a CPU: text by text, without copies.

Each is the gradient of the others: with s = scores(k, q), t = total(w, x), y = spread(w, c),

    dk = spread(ds, q)    dq = total(ds, k)
    dw = scores(x, dt)    dx = spread(w, dt)
    dw = scores(dy, c)    dc = total(w, dy)

so that no backward pass has to add overlapping windows up, and intermediate results are those of a few texts.
Shapes as in ``reach``: k, x, y [b, N, X]; q, c, t [b, C, X]; w, s [b, C, S, R]; N need not fill the last chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

PIECE = 2**20
"""Numbers of x in a piece of texts, about: 4 MiB in fp32."""


class Near(NamedTuple):
    """N tokens in chunks of S; the candidates are the chunk itself and ``radius`` on either side."""

    length: int
    size: int
    radius: int

    @property
    def clusters(self) -> int:
        return -(-self.length // self.size)

    @property
    def candidates(self) -> int:
        return 2 * self.radius + 1

    def pieces(self, b: int, X: int) -> Iterator[slice]:
        texts = max(1, PIECE // (self.length * X))
        return (slice(first, min(b, first + texts)) for first in range(0, b, texts))

    def chunks(self, x_bNX: Tensor) -> Tensor:
        """[b · C, S, X]; a view where the last chunk is full."""
        missing = self.clusters * self.size - self.length
        padded = F.pad(x_bNX, (0, 0, 0, missing)) if missing else x_bNX
        return padded.reshape(-1, self.size, x_bNX.shape[-1])

    def around(self, c_bCX: Tensor) -> Tensor:
        """[b · C, R, X]: the clusters −r … +r around each, zero beyond the ends; a view of one text."""
        padded = F.pad(c_bCX, (0, 0, self.radius, self.radius))
        return padded.unfold(1, self.candidates, 1).transpose(2, 3).reshape(-1, self.candidates, c_bCX.shape[-1])


def scores(near: Near, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
    """k · q for each token and candidate: [b, C, S, R]."""
    out: Tensor = _Scores.apply(near, k_bNX, q_bCX)
    return out


def total(near: Near, w_bCSR: Tensor, x_bNX: Tensor) -> Tensor:
    """Σ over tokens, for each cluster: [b, C, X]."""
    out: Tensor = _Total.apply(near, w_bCSR, x_bNX)
    return out


def spread(near: Near, w_bCSR: Tensor, c_bCX: Tensor) -> Tensor:
    """Σ over candidates, for each token: [b, N, X]."""
    out: Tensor = _Spread.apply(near, w_bCSR, c_bCX)
    return out


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, near: Near, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
        ctx.near = near
        ctx.save_for_backward(k_bNX, q_bCX)
        b, _, X = k_bNX.shape
        out_bCSR = k_bNX.new_empty(b, near.clusters, near.size, near.candidates)
        for texts in near.pieces(b, X):
            around = near.around(q_bCX[texts]).transpose(1, 2)
            torch.bmm(near.chunks(k_bNX[texts]), around, out=out_bCSR[texts].flatten(0, 1))
        return out_bCSR

    @staticmethod
    def backward(ctx: Any, ds_bCSR: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        k_bNX, q_bCX = ctx.saved_tensors
        dk = spread(ctx.near, ds_bCSR, q_bCX) if ctx.needs_input_grad[1] else None
        dq = total(ctx.near, ds_bCSR, k_bNX) if ctx.needs_input_grad[2] else None
        return None, dk, dq


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, near: Near, w_bCSR: Tensor, x_bNX: Tensor) -> Tensor:
        ctx.near = near
        ctx.save_for_backward(w_bCSR, x_bNX)
        (b, _, X), C, r = x_bNX.shape, near.clusters, near.radius
        out = x_bNX.new_zeros(b, C + 2 * r, X)
        for texts in near.pieces(b, X):
            chunks = near.chunks(x_bNX[texts])
            part = chunks.new_empty(len(chunks), near.candidates, X)
            torch.bmm(w_bCSR[texts].flatten(0, 1).transpose(1, 2), chunks, out=part)
            for o in range(near.candidates):  # chunk g gives its candidate o to cluster g + o − r
                out[texts, o : o + C] += part[:, o].view(-1, C, X)
        return out[:, r : r + C]

    @staticmethod
    def backward(ctx: Any, dt_bCX: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        w_bCSR, x_bNX = ctx.saved_tensors
        dw = scores(ctx.near, x_bNX, dt_bCX) if ctx.needs_input_grad[1] else None
        dx = spread(ctx.near, w_bCSR, dt_bCX) if ctx.needs_input_grad[2] else None
        return None, dw, dx


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, near: Near, w_bCSR: Tensor, c_bCX: Tensor) -> Tensor:
        ctx.near = near
        ctx.save_for_backward(w_bCSR, c_bCX)
        (b, C, X), S = c_bCX.shape, near.size
        out_bNX = c_bCX.new_empty(b, C * S, X)
        for texts in near.pieces(b, X):
            out = out_bNX[texts].view(-1, S, X)
            torch.bmm(w_bCSR[texts].flatten(0, 1), near.around(c_bCX[texts]), out=out)
        return out_bNX[:, : near.length]

    @staticmethod
    def backward(ctx: Any, dy_bNX: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        w_bCSR, c_bCX = ctx.saved_tensors
        dw = scores(ctx.near, dy_bNX, c_bCX) if ctx.needs_input_grad[1] else None
        dc = total(ctx.near, w_bCSR, dy_bNX) if ctx.needs_input_grad[2] else None
        return None, dw, dc
