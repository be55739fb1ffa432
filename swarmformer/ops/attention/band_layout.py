"""How a window is laid out for matrix products without copies of keys: rows of tokens, cut into blocks.

The sequences (texts × heads) of a piece stand one after another in one matrix of rows, ``gap`` empty rows after
each and one block of empty rows before the first and after the last. With blocks of A ≥ reach rows, block i of
queries needs the rows of blocks i − 1, i and i + 1, which lie side by side: a view of overlapping *spans*, and no
copy. Scores are [blocks, A, 3A]. Stored with a gap of A numbers after each block, they are also a view the other
way round: column block j against the queries of its span (see ``Scores``), so that gradients of keys are one
product too, and nothing has to be added up.

A piece is what fits the cache: some texts, or, of long texts, a stretch of one with its neighbours on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 16
"""Least rows of a block; matrix products of smaller ones are slow."""
PIECE = 2**18
"""Scores of a piece, about: 1 MiB in fp32."""


@dataclass(frozen=True)
class Piece:
    """Some texts and a stretch of their tokens. Row 0 of a sequence is token ``start``, before the text if negative."""

    texts: slice
    own: slice
    """Tokens whose queries are answered here."""
    seen: slice
    """Tokens whose keys they may look at."""
    start: int
    sequences: int

    def rows(self, tokens: slice) -> slice:
        """The rows of these tokens within a sequence."""
        return slice(tokens.start - self.start, tokens.stop - self.start)


@dataclass(frozen=True)
class Layout:
    """B texts of N tokens and H heads, each token looking ``reach`` tokens to either side."""

    B: int
    H: int
    N: int
    reach: int
    texts: int
    """Texts in a piece."""
    stretch: int
    """Tokens that a piece answers, of each text."""

    @classmethod
    def of(cls, B: int, H: int, N: int, reach: int) -> Layout:
        """Whole texts where one of them fits a piece, else stretches of one."""
        block = max(reach, BLOCK)
        rows = max(1, PIECE // (3 * block * H))
        whole = cls(B, H, N, reach, 1, max(1, N))
        if whole.pitch <= rows:
            return cls(B, H, N, reach, max(1, min(B, rows // whole.pitch)), whole.stretch)
        # A stretch of a few blocks would be mostly neighbours, which are computed twice.
        return cls(B, H, N, reach, 1, min(N, max(8 * block, rows // block * block - 2 * block)))

    @property
    def block(self) -> int:
        return max(self.reach, BLOCK)

    @property
    def halo(self) -> int:
        """Rows before the own tokens of a sequence; a whole text has no neighbours."""
        return 0 if self.stretch == self.N else self.block

    @property
    def pitch(self) -> int:
        """Rows of a sequence, a multiple of the block, with at least one empty block's worth between own tokens."""
        rows = self.stretch + self.halo + self.block
        return rows + -rows % self.block

    @property
    def blocks(self) -> int:
        """Blocks of a full piece."""
        return self.texts * self.H * self.pitch // self.block

    def pieces(self) -> Iterator[Piece]:
        for text in range(0, self.B, self.texts):
            texts = slice(text, min(self.B, text + self.texts))
            for first in range(0, self.N, self.stretch):
                own = slice(first, min(self.N, first + self.stretch))
                seen = slice(max(0, first - self.halo), min(self.N, own.stop + self.halo))
                yield Piece(texts, own, seen, first - self.halo, (texts.stop - text) * self.H)

    def overlap(self, piece: Piece) -> tuple[slice, slice]:
        """The tokens among ``piece.seen`` that an earlier piece has seen too, and the others."""
        seen = piece.seen
        border = seen.start if piece.own.start == 0 else min(self.N, piece.own.start + self.halo)
        return slice(seen.start, border), slice(border, seen.stop)


class Rows:
    """The rows of a piece, E wide: what queries, keys, values or their gradients are put into."""

    def __init__(self, layout: Layout, E: int, like: Tensor, dtype: torch.dtype) -> None:
        self.layout, self.E, A = layout, E, layout.block
        self.flat = torch.zeros((layout.blocks + 2) * A, E, dtype=dtype, device=like.device)

    def of(self, piece: Piece, tokens: slice) -> Tensor:
        """[texts, H, tokens, E], to read or to write."""
        A, pitch = self.layout.block, self.layout.pitch
        own = self.flat[A : A + piece.sequences * pitch]
        return own.view(-1, self.layout.H, pitch, self.E)[:, :, piece.rows(tokens)]

    def blocks(self, piece: Piece) -> Tensor:
        """[blocks, A, E]."""
        A, n = self.layout.block, self.count(piece)
        return self.flat[A : (n + 1) * A].view(n, A, self.E)

    def spans(self, piece: Piece) -> Tensor:
        """[blocks, 3A, E]: each block between its neighbours, overlapping views."""
        A, E = self.layout.block, self.E
        return self.flat.as_strided((self.count(piece), 3 * A, E), (A * E, E, 1))

    def count(self, piece: Piece) -> int:
        return piece.sequences * self.layout.pitch // self.layout.block


class Scores:
    """Scores, weights or their gradients, to be read by query or by key.

    The score of row a of block i and column b of its span is at (i + 1)·(3A² + A) + 3A·a + b. For block j of keys
    the queries of its span are then at a constant stride: row x of the span and key y of the block are at
    j·(3A² + A) + 2A + 3A·x + y. Scores before the first and after the last block are zero.
    """

    def __init__(self, layout: Layout, like: Tensor, dtype: torch.dtype) -> None:
        self.A = layout.block
        self.step = 3 * self.A**2 + self.A
        self.flat = torch.zeros((layout.blocks + 2) * self.step, dtype=dtype, device=like.device)

    def by_query(self, count: int) -> Tensor:
        """[blocks, A, 3A]; what is left of an earlier, longer piece behind them is cleared by ``end``."""
        return self.flat.as_strided((count, self.A, 3 * self.A), (self.step, 3 * self.A, 1), self.step)

    def by_key(self, count: int) -> Tensor:
        """[blocks, A, 3A]: for each key the queries of its span."""
        return self.flat.as_strided((count, self.A, 3 * self.A), (self.step, 1, 3 * self.A), 2 * self.A)

    def end(self, count: int) -> None:
        """Nothing comes after so many blocks."""
        self.flat[(count + 1) * self.step : (count + 2) * self.step].zero_()
