"""From logits to weights: laws of Gumbel noise, and finite values at any temperature."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from swarmformer.assignment.sampling import gumbel_noise, sample, sharpened
from tests.helpers import assert_close


def test_gumbel_draws_clusters_as_often_as_the_softmax_says() -> None:
    """The Gumbel-max theorem, whatever the temperature."""
    logits = torch.tensor([0.0, 1.0, -1.0, 0.5])
    torch.manual_seed(0)
    drawn = sample(logits.expand(40_000, 4), torch.tensor(0.1), "gumbel", training=True).mean(dim=0)
    assert_close("shares", logits.softmax(dim=0), drawn, atol=0.01)


@pytest.mark.parametrize("sampling", ["softmax", "gumbel"])
@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_sampling_is_finite_at_any_temperature(sampling: Any, temperature: float, scale: float) -> None:
    logits = (torch.randn(64, 9) * scale).requires_grad_()
    masked = logits.masked_fill(torch.rand(64, 9) < 0.3, -math.inf)
    masked = torch.cat([masked, logits[:, :1]], dim=-1)
    weights = sample(masked, torch.tensor(temperature), sampling, training=True)
    (weights * torch.randn(64, 10)).sum().backward()
    assert torch.isfinite(weights).all() and torch.isfinite(logits.grad).all()
    assert_close("rows", torch.ones(64), weights.sum(dim=-1), atol=1e-5)


def test_sharpened_is_the_softmax_of_the_divided_logits() -> None:
    logits = torch.randn(5, 7)
    assert_close("softmax", (logits / 0.3).softmax(dim=-1), sharpened(logits, torch.tensor(0.3)), atol=1e-6)


def test_gumbel_noise_has_the_moments_of_its_law() -> None:
    torch.manual_seed(0)
    noise = gumbel_noise(torch.zeros(400_000, dtype=torch.bfloat16))
    assert noise.dtype == torch.float32 and torch.isfinite(noise).all()
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.03)
