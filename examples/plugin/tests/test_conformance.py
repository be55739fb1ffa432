"""Swarmformer's conformance kit on our component, and what makes it what it is."""

from __future__ import annotations

import torch
from swarmformer_mean_field import MeanField

from swarmformer.contracts import Dims
from swarmformer.testing import parametrize_with_checks

DIMS = Dims(vocab_size=10, d_model=8, num_layers=1, cluster_size=4, seq_len=16, num_classes=2)


@parametrize_with_checks([MeanField])
def test_conformance(check):
    check()


def test_the_mean_is_what_every_cluster_hears():
    torch.manual_seed(0)
    mixer, c = MeanField(DIMS), torch.randn(2, 4, 8)
    heard = mixer(c) - mixer.own(c)
    assert torch.allclose(heard, mixer.all(c.mean(dim=1, keepdim=True)).expand(-1, 4, -1), atol=1e-6)
