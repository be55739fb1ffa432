"""Augmentations: other texts with the same labels, decided by the generator alone."""

from __future__ import annotations

import torch

from swarmformer.data.batching import Batch
from swarmformer.seeding import seed_all
from swarmformer.testing.case import DIMS, Case
from swarmformer.testing.check import check
from swarmformer.testing.require import NotApplicableError, require
from swarmformer.testing.training import copy_of, require_untouched, small_batch

SEEDS = range(20)


def _applied(case: Case, seed: int, batch: Batch | None = None) -> Batch:
    changed: Batch = case.make().apply(batch or small_batch(), torch.Generator().manual_seed(seed))
    return changed


@check("augmentation")
def batches_stay_sound(case: Case) -> None:
    """The same shape, labels and rows; known tokens; every text keeps one; the real ones stand at the start."""
    batch = small_batch()
    for seed in SEEDS:
        changed = _applied(case, seed)
        for name in ("ids_BN", "mask_BN"):
            ours, theirs = getattr(batch, name), getattr(changed, name)
            same = (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
            require(same, f"{name} becomes {theirs.dtype} {tuple(theirs.shape)}")
        for name in ("labels_M", "index_M"):
            require(torch.equal(getattr(batch, name), getattr(changed, name)), f"{name} is changed")
        lengths_B = changed.mask_BN.sum(dim=1)
        require(bool((lengths_B > 0).all()), "a text is left without tokens")
        start_BN = torch.arange(changed.mask_BN.shape[1]) < lengths_B[:, None]
        require(torch.equal(changed.mask_BN, start_BN), "real tokens do not stand at the start")
        known = changed.ids_BN[changed.mask_BN]
        require(bool(((known >= 0) & (known < DIMS.vocab_size)).all()), "a token is outside the vocabulary")


@check("augmentation")
def decided_by_the_generator_alone(case: Case) -> None:
    """The same state of it gives the same batch; torch's own random state is neither read nor moved."""
    for seed in SEEDS:
        state = seed_all(1).get_state()
        first = _applied(case, seed)
        require(torch.equal(state, torch.get_rng_state()), "draws from torch's global random state")
        seed_all(2)
        second = _applied(case, seed)
        same = torch.equal(first.ids_BN, second.ids_BN) and torch.equal(first.mask_BN, second.mask_BN)
        require(same, "one state of the generator gives two batches")


@check("augmentation")
def augmentation_leaves_its_batch_alone(case: Case) -> None:
    """The examples are the same in the next epoch."""
    for seed in SEEDS:
        batch = small_batch()
        before = copy_of(batch)
        _applied(case, seed, batch)
        require_untouched("the augmentation", before, batch)


@check("augmentation")
def places_are_kept_where_it_says_so(case: Case) -> None:
    """Tasks that ask at tokens rely on it."""
    if not case.make().keeps_places:
        raise NotApplicableError("says keeps_places = False: tasks that ask at tokens refuse it")
    for seed in SEEDS:
        require(torch.equal(_applied(case, seed).mask_BN, small_batch().mask_BN), "texts change their length")
