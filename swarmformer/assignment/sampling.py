"""From logits to weights over the last dimension, in fp32."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Sampling = Literal["softmax", "gumbel"]
TINY = torch.finfo(torch.float32).tiny


def sharpened(logits: Tensor, temperature: Tensor) -> Tensor:
    """softmax(logits / τ), safe however small τ: the greatest logit is subtracted before the division."""
    gap = logits - logits.amax(dim=-1, keepdim=True).detach()
    return (gap / temperature).softmax(dim=-1)


def gumbel_noise(logits: Tensor) -> Tensor:
    """Standard Gumbel noise, fp32; the uniform draws are kept away from 0 and 1, so it is always finite."""
    uniform = torch.rand_like(logits, dtype=torch.float32).clamp(min=TINY, max=1 - 2**-24)
    return -(-uniform.log()).log()


def straight_through(soft: Tensor) -> Tensor:
    """One-hot at the greatest weight; the gradient is that of ``soft`` (Jang et al. 2017, section 2.2)."""
    hard = torch.zeros_like(soft).scatter(-1, soft.argmax(dim=-1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())


def sample(logits: Tensor, temperature: Tensor, sampling: Sampling, training: bool) -> Tensor:
    """Weights of each token over its candidates; they sum to one.

    ``gumbel`` draws noise only in training and is one-hot always (Jang et al. 2017; Maddison et al. 2017).
    """
    if sampling == "softmax":
        return sharpened(logits, temperature)
    noisy = logits + gumbel_noise(logits) if training else logits
    return straight_through(sharpened(noisy, temperature))
