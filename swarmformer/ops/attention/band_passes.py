"""The two passes over a band: the buffers of each, and its steps for one piece."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from swarmformer.ops.attention.band_layout import Piece, Rows, Scores
from swarmformer.ops.attention.band_scores import Band, dropped


def by_token(like_BHND: Tensor) -> Tensor:
    """Empty [B, H, N, D], the heads of a token side by side in memory: what joins heads next is then a view."""
    return like_BHND.new_empty(like_BHND.transpose(1, 2).shape).transpose(1, 2)


class BandForward:
    """The forward pass, and the weights that the backward pass computes anew."""

    def __init__(self, band: Band, q_BHND: Tensor, k_BHND: Tensor, v_BHND: Tensor) -> None:
        self.band, self.q_BHND, self.k_BHND, self.v_BHND = band, q_BHND, k_BHND, v_BHND
        self.layout, self.scale = band.layout, 1 / math.sqrt(q_BHND.shape[-1])
        self.q, self.k, self.v, self.out = (self._rows() for _ in range(4))
        A = self.layout.block
        self.scores = q_BHND.new_empty(self.layout.blocks, A, 3 * A, dtype=band.dtype)

    def _rows(self) -> Rows:
        return Rows(self.layout, self.q_BHND.shape[-1], self.q_BHND, self.band.dtype)

    def weights(self, piece: Piece) -> Tensor:
        """Reads queries, keys and values of the piece; softmax of the scores, [blocks, A, 3A]."""
        self.q.of(piece, piece.own).copy_(self.q_BHND[piece.texts, :, piece.own])
        self.k.of(piece, piece.seen).copy_(self.k_BHND[piece.texts, :, piece.seen])
        self.v.of(piece, piece.seen).copy_(self.v_BHND[piece.texts, :, piece.seen])
        scores = self.scores[: self.q.count(piece)]
        scores.baddbmm_(self.q.blocks(piece), self.k.spans(piece).transpose(1, 2), beta=0, alpha=self.scale)
        self.band.add(piece, scores)
        return torch.softmax(scores, dim=-1, out=scores)

    def answer(self, piece: Piece, weights: Tensor, out_BHND: Tensor) -> None:
        """Weighted values into the tokens of the piece."""
        torch.bmm(weights, self.v.spans(piece), out=self.out.blocks(piece))
        answers = self.out.of(piece, piece.own)
        self.band.silence(piece, answers)
        out_BHND[piece.texts, :, piece.own] = answers


class BandBackward(BandForward):
    """dS = P · (dP − Σ P·dP); dq = dS k, dk = dSᵀ q, dv = Pᵀ g, times the scale."""

    def __init__(
        self,
        band: Band,
        q_BHND: Tensor,
        k_BHND: Tensor,
        v_BHND: Tensor,
        grad_BHND: Tensor,
        needed: Sequence[bool],
    ) -> None:
        super().__init__(band, q_BHND, k_BHND, v_BHND)
        self.grad_BHND, self.grad = grad_BHND, self._rows()
        self.turned = Scores(self.layout, q_BHND, band.dtype)
        self.of_scores = torch.empty_like(self.scores)
        self.products = torch.empty_like(self.scores)
        self.dq, self.dk, self.dv = (
            by_token(tensor) if need else None
            for tensor, need in zip((q_BHND, k_BHND, v_BHND), needed[:3], strict=True)
        )
        self.dsignal = band.new_signal_gradient() if needed[4] else None
        self.dbias = band.new_bias_gradient() if needed[5] else None

    def add(self, piece: Piece, kept: Tensor | None, dropout_p: float) -> None:
        """What the tokens of the piece give to every gradient."""
        weights, count = self.weights(piece), self.q.count(piece)
        self._take_gradient(piece)
        of_weights = torch.bmm(self.grad.blocks(piece), self.v.spans(piece).transpose(1, 2), out=self.of_scores[:count])
        if kept is not None:
            dropped(of_weights, kept, dropout_p)
        if self.dv is not None:
            turned = self.turned.by_query(count).copy_(weights)
            if kept is not None:
                dropped(turned, kept, dropout_p)
            self._to_keys(piece, self.grad, self.dv, 1.0)
        torch.mul(weights, of_weights, out=self.products[:count])
        of_weights -= self.products[:count].sum(dim=-1, keepdim=True)
        torch.mul(weights, of_weights, out=self.turned.by_query(count))
        self._from_scores(piece)

    def _take_gradient(self, piece: Piece) -> None:
        self.grad.flat.zero_()  # rows without an own query give nothing to their neighbours
        own = self.grad.of(piece, piece.own)
        own.copy_(self.grad_BHND[piece.texts, :, piece.own])
        self.band.silence(piece, own)

    def _from_scores(self, piece: Piece) -> None:
        count = self.q.count(piece)
        if self.dq is not None:
            of_scores = self.turned.by_query(count)
            self.out.blocks(piece).baddbmm_(of_scores, self.k.spans(piece), beta=0, alpha=self.scale)
            self.dq[piece.texts, :, piece.own] = self.out.of(piece, piece.own)
        if self.dk is not None:
            self._to_keys(piece, self.q, self.dk, self.scale)
        if self.dsignal is not None:
            self.band.add_signal_gradient(piece, self.turned, self.dsignal)
        if self.dbias is not None:
            self.band.add_bias_gradient(piece, self.turned, self.dbias)

    def _to_keys(self, piece: Piece, queries: Rows, target_BHND: Tensor, scale: float) -> None:
        """What each key gets from the queries around it; neighbours of a stretch have had some before."""
        self.turned.end(queries.count(piece))
        by_key = self.turned.by_key(queries.count(piece))
        self.out.blocks(piece).baddbmm_(by_key, queries.spans(piece), beta=0, alpha=scale)
        again, first = self.layout.overlap(piece)
        target_BHND[piece.texts, :, again] += self.out.of(piece, again)
        target_BHND[piece.texts, :, first] = self.out.of(piece, first)

    def gradients(self, signal_BN: Tensor | None, bias_HR: Tensor | None) -> tuple[Tensor | None, ...]:
        """Of q, k, v, usable, signal, bias."""
        dsignal = None if self.dsignal is None or signal_BN is None else self.dsignal.to(signal_BN)
        dbias = None if self.dbias is None or bias_HR is None else self.band.fold_bias_gradient(self.dbias, bias_HR)
        return self.dq, self.dk, self.dv, None, dsignal, dbias
