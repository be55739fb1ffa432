"""An epoch's FLOPs against counting every batch, and every text at its own length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import swarmformer
from swarmformer.contracts import Model
from swarmformer.cost.epoch import epoch_flops
from swarmformer.cost.operations import counted_flops, counted_training_flops
from swarmformer.cost.variants import model_of
from swarmformer.data.batching import Batches
from swarmformer.data.encoded import Split

SIZES = {"vocab_size": 50, "d_model": 8, "cluster_size": 4, "seq_len": 32, "num_classes": 3, "num_layers": 1}
PADDED = (8, 16, 32)
TEXTS = [3, 8, 8, 9, 17, 30, 32]


def batches_of(lengths: list[int], batch_size: int, padded: tuple[int, ...] = PADDED) -> Batches:
    n, offsets = len(lengths), np.concatenate([[0], np.cumsum(lengths)])
    ids = np.ones(offsets[-1], dtype=np.int32)
    split = Split(ids, offsets, np.zeros(n, dtype=np.int64), np.array([f"x/{i}" for i in range(n)]), 0)
    return Batches(split, batch_size=batch_size, lengths=padded, pad_id=0, seed=0)


def small(variant: str, **options: Any) -> Model:
    torch.manual_seed(0)
    return swarmformer.build_model(variant, dims=SIZES, **options)


@pytest.mark.parametrize("variant", ["base", "base+windowed", "transformer"])
def test_padded_is_what_the_batches_take_and_real_is_each_text_alone(variant: str) -> None:
    model, batches = small(variant), batches_of(TEXTS, batch_size=2)
    shapes = [tuple(batch.ids_BN.shape) for batch in batches(0)]
    found = epoch_flops(model, batches)
    for name, count in (("forward", counted_flops), ("training", counted_training_flops)):
        assert getattr(found, name).padded == sum(count(model, *shape) for shape in shapes)
        assert getattr(found, name).real == sum(count(model, 1, n) for n in TEXTS)
    wasted = found.forward.wasted
    assert wasted == 1 - found.forward.real / found.forward.padded
    assert 0.1 < wasted < 0.5


def test_pads_waste_their_share_of_what_is_linear_and_nothing_of_what_is_pooled() -> None:
    batches = batches_of([8], 1, padded=(32,))
    assert epoch_flops(small("deep_averaging"), batches).forward.wasted == 0
    classifier = 2 * 100 * SIZES["num_classes"]  # of 100 filters
    found = epoch_flops(small("cnn", widths=[1]), batches).forward
    assert found.padded - classifier == 4 * (found.real - classifier) > 0


def test_work_that_a_batch_shares_is_no_waste() -> None:
    """Keys of places are projected once per batch: without pads nothing is wasted, and no share is negative."""
    model = small("base+gumbel")
    assert model.flops(2, 8) < 2 * model.flops(1, 8)
    for batch_size in (1, 2, 5):
        found = epoch_flops(model, batches_of([16] * 7, batch_size))
        assert [part.wasted for part in (found.forward, found.training)] == [0.0, 0.0]
        assert found.forward.real == found.forward.padded


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(0, 32), min_size=1, max_size=40).filter(any), batch_size=st.integers(1, 9))
def test_shorter_padding_wastes_no_more(lengths: list[int], batch_size: int) -> None:
    model = model_of("enhanced")
    tight, loose = (epoch_flops(model, batches_of(lengths, batch_size, padded)) for padded in (PADDED, (32,)))
    assert 0 <= tight.training.wasted <= loose.training.wasted < 1
    assert tight.training.real == loose.training.real
