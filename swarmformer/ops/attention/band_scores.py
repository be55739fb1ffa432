"""What is added to the scores of a band, what is dropped from its weights, and the gradients of both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from swarmformer.ops.attention.band_layout import Layout, Piece, Scores
from swarmformer.ops.attention.masks import distances
from swarmformer.ops.dropout.cpu import LEAST, STEPS, raw_bits


@dataclass(frozen=True)
class Band:
    """Which keys a query may look at, as additions to the scores: nought, or so little that the weight is zero.

    A finite number and not −∞, so that two of them add up and a query without any key gives no NaN.
    """

    layout: Layout
    dtype: torch.dtype
    """Of the computation."""
    near_HGAK: Tensor
    """Window and position bias, [heads or 1, 1, A, 3A]."""
    keys_bN: Tensor
    """Padding and signals; one text for all where there are none."""
    alive_B1N1: Tensor | None
    """1 for queries that have a key, 0 for others; None where all have."""

    @classmethod
    def of(
        cls, q_BHND: Tensor, usable_BN: Tensor | None, signal_BN: Tensor | None, bias_HR: Tensor | None, window: int
    ) -> Band:
        B, H, N, _ = q_BHND.shape
        dtype = torch.promote_types(q_BHND.dtype, torch.float32)
        reach = max(1, min(window, N - 1))  # nothing is farther away than the other end of the text
        layout = Layout.of(B, H, N, reach)
        keys_bN = q_BHND.new_zeros(1, N, dtype=dtype)
        if usable_BN is not None:
            keys_bN = (keys_bN if signal_BN is None else signal_BN.to(dtype)) + (~usable_BN).to(dtype) * _least(dtype)
        near_HGAK = _near(layout, bias_HR, window, dtype, q_BHND.device)
        alive = None if usable_BN is None else _alive(usable_BN, reach).to(dtype)[:, None, :, None]
        return cls(layout, dtype, near_HGAK, keys_bN, alive)

    def add(self, piece: Piece, scores: Tensor) -> None:
        """Add window, bias, padding and signals to scores [blocks, A, 3A]."""
        A, pitch = self.layout.block, self.layout.pitch
        keys_bN = self.keys_bN if self.keys_bN.shape[0] == 1 else self.keys_bN[piece.texts]
        rows = keys_bN.new_full((keys_bN.shape[0] * pitch + 2 * A,), _least(self.dtype))
        rows[A:-A].view(-1, pitch)[:, piece.rows(piece.seen)] = keys_bN[:, piece.seen]
        spans = rows.as_strided((keys_bN.shape[0], 1, pitch // A, 1, 3 * A), (pitch, 0, A, 0, 1))
        scores.view(-1, self.layout.H, pitch // A, A, 3 * A).add_(self.near_HGAK).add_(spans)

    def silence(self, piece: Piece, rows_BHND: Tensor) -> None:
        """Zero in the own rows of queries without a key."""
        if self.alive_B1N1 is not None:
            rows_BHND *= self.alive_B1N1[piece.texts, :, piece.own]

    def new_signal_gradient(self) -> Tensor:
        return torch.zeros_like(self.keys_bN)

    def add_signal_gradient(self, piece: Piece, of_scores: Scores, target_BN: Tensor) -> None:
        H, pitch, A = self.layout.H, self.layout.pitch, self.layout.block
        by_row = of_scores.by_key(piece.sequences * pitch // A).sum(dim=-1).view(-1, H, pitch).sum(dim=1)
        target_BN[piece.texts, piece.seen] += by_row[:, piece.rows(piece.seen)]

    def new_bias_gradient(self) -> Tensor:
        A = self.layout.block
        return self.near_HGAK.new_zeros(self.layout.H, A, 3 * A)

    def add_bias_gradient(self, piece: Piece, of_scores: Scores, target_HAK: Tensor) -> None:
        H, pitch, A = self.layout.H, self.layout.pitch, self.layout.block
        blocks = of_scores.by_query(piece.sequences * pitch // A)
        target_HAK += blocks.unflatten(0, (-1, H, pitch // A)).sum(dim=(0, 2))

    def fold_bias_gradient(self, of_scores_HAK: Tensor, bias_HR: Tensor) -> Tensor:
        """Sum over the pairs at the same distance."""
        place = _places(self.layout, bias_HR.shape[-1] // 2, bias_HR.device)
        folded = of_scores_HAK.new_zeros(bias_HR.shape)
        return folded.index_add_(1, place.flatten(), of_scores_HAK.flatten(1)).to(bias_HR.dtype)


def _least(dtype: torch.dtype) -> float:
    """So little that two of them, and a score, are still finite."""
    return torch.finfo(dtype).min / 4


def _distances(layout: Layout, device: torch.device) -> Tensor:
    return distances(layout.block, 3 * layout.block, device, offset=-layout.block)


def _places(layout: Layout, window: int, device: torch.device) -> Tensor:
    """Which entry of the bias a pair of rows takes; beyond the window, where weights are zero, that of its edge."""
    return _distances(layout, device).clamp(-window, window) + window


def _near(layout: Layout, bias_HR: Tensor | None, window: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    far = (_distances(layout, device).abs() > layout.reach).to(dtype) * _least(dtype)
    if bias_HR is None:
        return far[None, None]
    return far + bias_HR.to(dtype)[:, None, _places(layout, window, device)]


def _alive(usable_BN: Tensor, reach: int) -> Tensor:
    """Whether there is a usable key at most ``reach`` away: by the difference of two running sums."""
    N = usable_BN.shape[1]
    before = torch.nn.functional.pad(usable_BN.cumsum(dim=1), (1, 0))
    place = torch.arange(N, device=usable_BN.device)
    return before[:, (place + reach + 1).clamp(max=N)] > before[:, (place - reach).clamp(min=0)]


def kept_weights(weights: Tensor, p: float) -> Tensor:
    """Which weights are kept, 1 or 0 in a byte, with chance 1 − p to the nearest part of 2¹⁶.

    From raw random bits, as ``ops.dropout.cpu`` makes them: a tenth of the time that ``F.dropout`` takes.
    """
    return raw_bits(weights).to(torch.float32).ge_(_level(p) + LEAST).to(torch.uint8)


def dropped(values: Tensor, kept: Tensor, p: float) -> None:
    """Zero what is not kept and scale the rest, in place."""
    values *= kept.to(values.dtype).mul_(STEPS / max(1, STEPS - _level(p)))


def _level(p: float) -> int:
    return round(p * STEPS)
