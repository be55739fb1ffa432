"""What the ingredients of training are tried on: a small model and a batch of padded texts."""

from __future__ import annotations

from typing import Any

import torch

from swarmformer.assembly import assemble
from swarmformer.contracts import Model
from swarmformer.data.batching import Batch
from swarmformer.seeding import seed_all
from swarmformer.testing.case import DIMS, PARTS_FROM
from swarmformer.testing.drive import inputs, prefix_mask
from swarmformer.testing.require import require
from swarmformer.training.evaluate import Passes
from swarmformer.variants import load_variant

LENGTHS = [12, 1, 7, 2, 12, 5]


def small_model(seed: int = 0) -> Model:
    """The variant whose parts models are tried with, at the sizes of the kit."""
    seed_all(seed)
    return assemble(load_variant(PARTS_FROM).model_spec().model_copy(update={"dims": DIMS}))


def small_batch(seed: int = 0) -> Batch:
    """Six texts of 1 … 12 tokens."""
    B, N = len(LENGTHS), max(LENGTHS)
    ids_BN, mask_BN = inputs("model", B, N, seed), prefix_mask(LENGTHS, N)
    rows = torch.arange(B)
    return Batch(ids_BN.masked_fill(~mask_BN, 0), mask_BN, rows % DIMS.num_classes, rows)


def rows_of(batch: Batch, rows: torch.Tensor) -> Batch:
    """Some of the texts, as long as they are."""
    return Batch(batch.ids_BN[rows], batch.mask_BN[rows], batch.labels_M[rows], batch.index_M[rows])


def passes(model: Model, precision: str = "fp32") -> Passes:
    return Passes(model, model.detailed, precision)


def require_untouched(what: str, before: Batch, after: Batch) -> None:
    """Raise ViolationError where a batch was changed in place."""
    for name in ("ids_BN", "mask_BN", "labels_M", "index_M"):
        require_same = torch.equal(getattr(before, name), getattr(after, name))
        require(require_same, f"{what} changes {name} of its batch in place")


def copy_of(batch: Batch) -> Batch:
    tensors: dict[str, Any] = {name: getattr(batch, name).clone() for name in ("ids_BN", "mask_BN", "labels_M")}
    return Batch(**tensors, index_M=batch.index_M.clone())
