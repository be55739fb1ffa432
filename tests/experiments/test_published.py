"""The reference that speeds are compared with computes the published arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from experiments.speed.published import PublishedSwarmFormer
from swarmformer import hub
from swarmformer.hub.published import our_name
from swarmformer.testing.drive import without_dropout
from tests.helpers import assert_close
from tests.reference import ReferenceSwarmFormer

SIZES = {"vocab_size": 50, "width": 32, "layers": 2, "cluster_size": 4}


def test_equals_the_plain_oracle() -> None:
    torch.manual_seed(0)
    oracle = ReferenceSwarmFormer(**SIZES).eval()
    model = PublishedSwarmFormer(**SIZES).eval()
    model.load_state_dict(oracle.state_dict())
    ids = torch.randint(50, (3, 24))
    assert_close("logits", oracle(ids), model(ids), atol=1e-6)


@pytest.mark.parametrize("width", [128, 192])
def test_ours_agrees_at_the_published_widths(width: int) -> None:
    """Logits within 1e-5 and gradients within 1e-4 of their size, at a length that takes several pieces."""
    torch.manual_seed(1)
    published = PublishedSwarmFormer(width=width, cluster_size=8 if width == 128 else 4, vocab_size=50)
    ours = hub.from_published(published.state_dict())
    ids, labels = torch.randint(50, (6, 768)), torch.arange(6) % 2
    with torch.inference_mode():
        assert_close("logits", published.eval()(ids), ours.eval()(ids), atol=1e-5)
    for model in (published, ours):
        without_dropout(model)
        F.cross_entropy(model.train()(ids), labels).backward()
    found = dict(ours.named_parameters())
    for name, parameter in published.named_parameters():
        expected, gradient = parameter.grad, found[our_name(name)].grad
        assert expected is not None and gradient is not None
        assert_close(name, expected, gradient, atol=1e-7 + 1e-4 * float(expected.abs().max()), rtol=1e-4)
