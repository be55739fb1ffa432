"""Batches of examples of like length, padded to one of a few fixed lengths.

Few lengths mean few shapes, so that compiled and captured graphs are used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from swarmformer.data.encoded import Split
from swarmformer.errors import DataError
from swarmformer.ops.pieces import Piece
from swarmformer.ops.transfer import sent

MEGA_BATCH = 50
"""Batches among which examples are sorted by length: few enough to keep the order random."""


@dataclass(frozen=True, eq=False)
class Batch:
    """ids_BN int64; mask_BN bool, True on real tokens; labels_M int64; index_M int64, row in the split's labels.

    M answers: one per text (M = B, ``at_M`` None), or one for each token asked about; ``at_M`` int64 is then
    where that token stands in the flattened batch, row · N + position.
    """

    ids_BN: torch.Tensor
    mask_BN: torch.Tensor
    labels_M: torch.Tensor
    index_M: torch.Tensor
    at_M: torch.Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """On ``device`` all that training needs; index_M stays where it is."""
        names = ("ids_BN", "mask_BN", "labels_M", *(("at_M",) if self.at_M is not None else ()))
        return replace(self, **{name: sent(getattr(self, name), device) for name in names})

    def piece(self, piece: Piece) -> Batch:
        """Some of the texts, where each has one answer."""
        if self.at_M is not None:
            raise ValueError("a batch that asks at tokens is not cut into pieces")
        ids_BN, mask_BN = piece.of(self.ids_BN), piece.of(self.mask_BN)
        return Batch(ids_BN, mask_BN, self.labels_M[piece.rows_b], self.index_M[piece.rows_b])

    def share(self, first: int, every: int) -> Batch:
        """Its rows ``first``, ``first + every`` …, at the same padded length: long and short texts alike."""
        rows = slice(first, None, every)
        ids_BN, mask_BN = self.ids_BN[rows], self.mask_BN[rows]
        if self.at_M is None:
            return Batch(ids_BN, mask_BN, self.labels_M[rows], self.index_M[rows])
        N = self.ids_BN.shape[1]
        row_M = self.at_M // N
        kept_M = row_M % every == first  # how many are kept is read: batches that ask at tokens are of uneven number
        at_M = (row_M // every * N + self.at_M % N)[kept_M]
        return Batch(ids_BN, mask_BN, self.labels_M[kept_M], self.index_M[kept_M.to(self.index_M.device)], at_M)

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        """logits_MK from what the model gives: [B, K], or [B, N, K] where tokens are asked about."""
        if self.at_M is None:
            return logits
        flat = logits.flatten(0, 1)
        # Places rise, so that as many answers as tokens are all of them, in order: nothing to copy.
        return flat if len(self.at_M) == len(flat) else flat.index_select(0, self.at_M)


@dataclass(frozen=True)
class TokenCount:
    """Tokens of one epoch: ``real`` ones, and ``padded``, all positions computed (real ones included)."""

    real: int
    padded: int


def bucket_lengths(seq_len: int, buckets: int, multiple: int = 8) -> tuple[int, ...]:
    """At most ``buckets`` even steps, multiples of ``multiple``, that rise up to ``seq_len`` itself."""
    if min(seq_len, buckets, multiple) < 1:
        raise ValueError(f"seq_len {seq_len}, buckets {buckets} and multiple {multiple} must be at least 1")
    steps = (-(-seq_len * part // (buckets * multiple)) * multiple for part in range(1, buckets))
    return (*sorted({step for step in steps if step < seq_len}), seq_len)


class Batches:
    """The batches of a split, epoch by epoch.

    Args:
        lengths: the padded lengths in use, rising; ``(seq_len,)`` pads everything to the maximum.
        seed: the order of an epoch depends on it and on the epoch's number alone. None, for
            evaluation: no shuffling, batches of rising length.

    Raises:
        DataError: an example is longer than the last of ``lengths``.
    """

    def __init__(
        self, split: Split, *, batch_size: int, lengths: tuple[int, ...], pad_id: int, seed: int | None
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        if not lengths or list(lengths) != sorted(set(lengths)):
            raise ValueError(f"lengths must rise, got {lengths}")
        self.split, self.batch_size, self.pad_id, self.seed = split, batch_size, pad_id, seed
        self.lengths = lengths
        self.sizes = np.asarray(split.lengths)
        if self.sizes.max() > lengths[-1]:
            name = str(split.names[int(self.sizes.argmax())])
            raise DataError(f"example {name!r} has {self.sizes.max()} tokens, more than {lengths[-1]}")

    def __len__(self) -> int:
        """Batches per epoch, the same in every epoch."""
        return -(-len(self.split) // self.batch_size)

    def __call__(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from number ``start`` on (to resume exactly)."""
        if not 0 <= start <= len(self):
            raise ValueError(f"start must lie in 0…{len(self)}, got {start}")
        return (self.batch(rows, length) for rows, length in self.plan(epoch)[start:])

    def plan(self, epoch: int) -> list[tuple[np.ndarray, int]]:
        """Example rows and padded length of every batch of an epoch, in order."""
        rows = [part for mega in self._mega_batches(epoch) for part in self._cut(mega, self.batch_size)]
        if self.seed is not None:
            rows = [rows[place] for place in self._rng(epoch, 1).permutation(len(rows))]
        return [(part, self._padded_length(part)) for part in rows]

    def tokens(self, epoch: int = 0) -> TokenCount:
        """Real and padded tokens of an epoch."""
        padded = sum(len(rows) * length for rows, length in self.plan(epoch))
        return TokenCount(real=int(self.sizes.sum()), padded=padded)

    def batch(self, rows: np.ndarray, length: int) -> Batch:
        """The examples at ``rows``, padded to ``length``."""
        mask = np.arange(length) < self.sizes[rows, None]
        ids = np.full(mask.shape, self.pad_id, dtype=np.int64)
        ids[mask] = np.concatenate([self.split.example(row) for row in rows])
        index, at_M = rows, None
        if self.split.questions is not None:
            index, place = self.split.questions.of(rows)
            at_M = torch.from_numpy(place * length + self.split.questions.positions[index])
        return Batch(
            ids_BN=torch.from_numpy(ids),
            mask_BN=torch.from_numpy(mask),
            labels_M=torch.from_numpy(self.split.labels[index].astype(np.int64)),
            index_M=torch.from_numpy(index.astype(np.int64)),
            at_M=at_M,
        )

    def _mega_batches(self, epoch: int) -> list[np.ndarray]:
        """Groups of rows, each sorted by length; one group of everything without a seed."""
        if self.seed is None:
            return [np.argsort(self.sizes, kind="stable")]
        shuffled = self._rng(epoch, 0).permutation(len(self.split))
        groups = self._cut(shuffled, MEGA_BATCH * self.batch_size)
        return [group[np.argsort(self.sizes[group], kind="stable")] for group in groups]

    def _rng(self, epoch: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, epoch, purpose))  # type: ignore[arg-type]

    def _padded_length(self, rows: np.ndarray) -> int:
        return self.lengths[int(np.searchsorted(self.lengths, self.sizes[rows].max()))]

    @staticmethod
    def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
        return [rows[start : start + size] for start in range(0, len(rows), size)]
