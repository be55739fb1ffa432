"""A batch cut into pieces whose states fit the cache of a CPU, each no longer than its longest text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from swarmformer.ops.switch import applies

EVALUATION_TOKENS, TRAINING_TOKENS = 3072, 6144
"""Tokens of a piece, measured with SwarmFormer-Small and -Base on two AMD EPYC cores with 1 MB of cache each: half as
many or twice as many were slower in evaluation; in training, which keeps more and starts more operations, fewer."""


@dataclass(frozen=True)
class Piece:
    """Rows of a batch, cut to ``length`` tokens."""

    rows_b: Tensor
    length: int

    def of(self, x_BN: Tensor) -> Tensor:
        """These rows and tokens of ids or masks, [b, length]."""
        return x_BN[self.rows_b, : self.length]


def evaluated(
    call: Callable[[Tensor, Tensor | None], Tensor], ids_BN: Tensor, mask_BN: Tensor | None, trimmed: bool
) -> Tensor:
    """What ``call`` gives for every text, in the order of the texts: in pieces where no gradient is recorded.

    Args:
        trimmed: see ``pieces``.
    """
    if torch.is_grad_enabled() or not applies(ids_BN) or not len(ids_BN):
        return call(ids_BN, mask_BN)
    cut = list(pieces(ids_BN, mask_BN, trimmed, EVALUATION_TOKENS))
    answers = torch.cat([call(piece.of(ids_BN), None if mask_BN is None else piece.of(mask_BN)) for piece in cut])
    return answers[torch.cat([piece.rows_b for piece in cut]).argsort()]


def training_pieces(ids_BN: Tensor, mask_BN: Tensor | None, trimmed: bool) -> list[Piece]:
    """Pieces whose gradients may be added up; none where the batch is best taken whole."""
    return list(pieces(ids_BN, mask_BN, trimmed, TRAINING_TOKENS)) if applies(ids_BN) else []


def pieces(ids_BN: Tensor, mask_BN: Tensor | None, trimmed: bool, tokens: int) -> Iterator[Piece]:
    """Pieces of about ``tokens`` tokens that together have every row once.

    Args:
        trimmed: sort the texts by length, and leave out what lies behind the last real token of a piece.
    """
    B, N = ids_BN.shape
    if mask_BN is None or not trimmed:
        for rows_b in torch.arange(B).split(max(1, tokens // N)):
            yield Piece(rows_b, N)
        return
    lengths_B = _lengths(mask_BN)
    order_B = lengths_B.argsort(descending=True, stable=True)
    start = 0
    while start < B:
        length = int(lengths_B[order_B[start]])
        rows_b = order_B[start : start + max(1, tokens // length)]
        yield Piece(rows_b, length)
        start += len(rows_b)


def _lengths(mask_BN: Tensor) -> Tensor:
    """Tokens up to the last real one, at least one: components need not take nothing."""
    places_N = torch.arange(1, mask_BN.shape[1] + 1, device=mask_BN.device)
    return (mask_BN * places_N).amax(dim=1).clamp(min=1)
