"""The products on a CPU: text by text, without copies.

Each is the gradient of the others: with s = scores(k, q), t = total(w, x), y = spread(w, c),

    dk = spread(ds, q)    dq = total(ds, k)
    dw = scores(x, dt)    dx = spread(w, dt)
    dw = scores(dy, c)    dc = total(w, dy)

so that no backward pass has to add overlapping windows up, and intermediate results are those of a few texts.
Shapes: k, x, y [b, N, X]; q, c, t [b, C, X]; w, s [b, C, S, R].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from swarmformer.ops.near.layout import Near

PIECE = 2**20
"""Numbers of x in a piece of texts, about: 4 MiB in fp32."""


def pieces(near: Near, b: int, X: int) -> Iterator[slice]:
    """Of so many texts that their states fit the cache."""
    texts = max(1, PIECE // (near.length * X))
    return (slice(first, min(b, first + texts)) for first in range(0, b, texts))


def scores(near: Near, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
    return _Scores.apply(near, k_bNX, q_bCX)  # type: ignore[no-any-return]


def total(near: Near, w_bCSR: Tensor, x_bNX: Tensor) -> Tensor:
    return _Total.apply(near, w_bCSR, x_bNX)  # type: ignore[no-any-return]


def spread(near: Near, w_bCSR: Tensor, c_bCX: Tensor) -> Tensor:
    return _Spread.apply(near, w_bCSR, c_bCX)  # type: ignore[no-any-return]


class _Scores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, near: Near, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
        ctx.near = near
        ctx.save_for_backward(k_bNX, q_bCX)
        b, _, X = k_bNX.shape
        out_bCSR = k_bNX.new_empty(b, near.clusters, near.size, near.candidates)
        for texts in pieces(near, b, X):
            around = near.around(q_bCX[texts]).flatten(0, 1).transpose(1, 2)
            torch.bmm(near.chunks(k_bNX[texts]).flatten(0, 1), around, out=out_bCSR[texts].flatten(0, 1))
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
        for texts in pieces(near, b, X):
            chunks = near.chunks(x_bNX[texts]).flatten(0, 1)
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
        for texts in pieces(near, b, X):
            out = out_bNX[texts].view(-1, S, X)
            torch.bmm(w_bCSR[texts].flatten(0, 1), near.around(c_bCX[texts]).flatten(0, 1), out=out)
        return out_bNX[:, : near.length]

    @staticmethod
    def backward(ctx: Any, dy_bNX: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        w_bCSR, c_bCX = ctx.saved_tensors
        dw = scores(ctx.near, dy_bNX, c_bCX) if ctx.needs_input_grad[1] else None
        dc = total(ctx.near, w_bCSR, dy_bNX) if ctx.needs_input_grad[2] else None
        return None, dw, dc
