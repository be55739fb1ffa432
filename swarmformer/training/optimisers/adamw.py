"""AdamW, warm-up and decay of the learning rate."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field

from swarmformer.contracts import Component, Optimiser, decay_groups
from swarmformer.registry import register

Momentum = Annotated[float, Field(ge=0, lt=1)]


@register("optimiser", "adamw")
class AdamW(Optimiser):
    """AdamW (Loshchilov & Hutter 2019); the learning rate warms up linearly, then falls on half a cosine or stays.

    Options:
        lr: the highest learning rate.
        weight_decay: share of a weight that a step takes away, times the learning rate; see ``Component.undecayed``.
        beta1, beta2: decay of the running means of gradients and of their squares.
        warmup: share of the steps in which the learning rate rises from 0 to ``lr``.
        schedule: what follows the warm-up: half a cosine down to ``min_lr``, or ``lr`` to the end.
        min_lr: where the cosine ends, as a share of ``lr``.
    """

    test_options = ({"warmup": 0.5, "min_lr": 0.1}, {"warmup": 0.0})

    def __init__(
        self,
        *,
        lr: Annotated[float, Field(gt=0)] = 5e-4,
        weight_decay: Annotated[float, Field(ge=0)] = 0.05,
        beta1: Momentum = 0.9,
        beta2: Momentum = 0.999,
        warmup: Annotated[float, Field(ge=0, lt=1)] = 0.06,
        schedule: Literal["cosine", "constant"] = "cosine",
        min_lr: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        self.lr, self.weight_decay, self.betas = lr, weight_decay, (beta1, beta2)
        self.warmup, self.schedule, self.min_lr = warmup, schedule, min_lr

    def build(self, modules: list[Component], device: torch.device) -> torch.optim.Optimizer:
        decayed, spared = decay_groups(modules)
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": spared, "weight_decay": 0.0}]
        fused = device.type in ("cpu", "cuda")
        return torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, fused=fused)

    def learning_rate(self, step: int, total: int) -> float:
        warmup = math.ceil(self.warmup * total)
        if step < warmup:
            return self.lr * (step + 1) / warmup
        if self.schedule == "constant":
            return self.lr
        done = (step - warmup) / max(1, total - warmup)
        return self.lr * (self.min_lr + (1 - self.min_lr) * 0.5 * (1 + math.cos(math.pi * done)))
