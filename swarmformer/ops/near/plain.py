"""The products on whole matrices."""

from __future__ import annotations

from torch import Tensor

from swarmformer.ops.near.layout import Near


def scores(near: Near, k_bNX: Tensor, q_bCX: Tensor) -> Tensor:
    return near.chunks(k_bNX) @ near.around(q_bCX).transpose(2, 3)


def total(near: Near, w_bCSR: Tensor, x_bNX: Tensor) -> Tensor:
    return near.fold(w_bCSR.transpose(2, 3) @ near.chunks(x_bNX))


def spread(near: Near, w_bCSR: Tensor, c_bCX: Tensor) -> Tensor:
    return (w_bCSR @ near.around(c_bCX)).flatten(1, 2)[:, : near.length]
