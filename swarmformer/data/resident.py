"""A split whose tokens live on the device, so that batches are made there and none is copied amid an epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from swarmformer.data.batching import Batch, Batches
from swarmformer.data.encoded import Split
from swarmformer.ops.transfer import sent


class ResidentBatches(Batches):
    """The batches of ``Batches``, equal in every value and in their order, made on ``device`` of tensors there.

    Only row numbers travel, from pinned memory, so that nobody waits for the device. A split that asks at tokens
    is made on the CPU and copied: its questions are of uneven number. Takes what ``Batches`` takes beside.
    """

    def __init__(self, split: Split, *, device: torch.device, **options: Any) -> None:
        super().__init__(split, **options)
        self.device = device
        if split.questions is not None:
            return
        columns = (split.ids, split.offsets[:-1], self.sizes, split.labels)
        self.ids, self.starts, self.lengths_of, self.labels = (
            torch.from_numpy(column.astype(np.int64)).to(device) for column in columns
        )

    def batch(self, rows: np.ndarray, length: int) -> Batch:
        """The examples at ``rows``, padded to ``length``; ``index_M`` stays on the CPU."""
        if self.split.questions is not None:
            return super().batch(rows, length).to(self.device)
        index_M = torch.from_numpy(rows.astype(np.int64))
        here = sent(index_M, self.device)
        place_N = torch.arange(length, device=self.device)
        mask_BN = place_N < self.lengths_of[here].unsqueeze(1)
        # A pad would read beyond its text: it reads the first token of all, and is overwritten.
        source_BN = torch.where(mask_BN, self.starts[here].unsqueeze(1) + place_N, 0)
        ids_BN = torch.where(mask_BN, self.ids[source_BN], self.pad_id)
        return Batch(ids_BN, mask_BN, self.labels[here], index_M)
