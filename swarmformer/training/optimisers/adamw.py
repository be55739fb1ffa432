"""AdamW, warm-up and decay of the learning rate."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from swarmformer.contracts import Channel, Component, Embedding, Optimiser, decay_groups, parameters_in
from swarmformer.registry import register

Momentum = Annotated[float, Field(ge=0, lt=1)]
Factor = Annotated[float, Field(ge=0)]


@register("optimiser", "adamw")
class AdamW(Optimiser):
    """AdamW (Loshchilov & Hutter 2019); the learning rate warms up linearly, then falls or stays.

    Options:
        lr: the highest learning rate.
        weight_decay: share of a weight that a step takes away, times the learning rate; see ``Component.undecayed``.
        beta1, beta2: decay of the running means of gradients and of their squares.
        warmup: share of the steps in which the learning rate rises from 0 to ``lr``.
        schedule: what follows the warm-up: half a cosine (Loshchilov & Hutter 2017) or a line (Devlin et al. 2019) down
            to ``min_lr``, or ``lr`` to the end.
        min_lr: where cosine and line end, as a share of ``lr``.
        embedding_lr_factor: the learning rate of the embedding's parameters, as a multiple of ``lr``.
        embedding_decay_factor: their weight decay, as a multiple of ``weight_decay``.
        channel_lr_factor: the learning rate of a channel's parameters, as a multiple of ``lr``.
        decay_vectors: biases, norms and gates are decayed too, as the published script's AdamW does.
    """

    test_options = (
        {"warmup": 0.5, "min_lr": 0.1},
        {"warmup": 0.0},
        {"embedding_lr_factor": 10.0, "embedding_decay_factor": 0.0, "channel_lr_factor": 0.1},
    )

    def __init__(
        self,
        *,
        lr: Annotated[float, Field(gt=0)] = 5e-4,
        weight_decay: Annotated[float, Field(ge=0)] = 0.05,
        beta1: Momentum = 0.9,
        beta2: Momentum = 0.999,
        warmup: Annotated[float, Field(ge=0, lt=1)] = 0.06,
        schedule: Literal["cosine", "linear", "constant"] = "cosine",
        min_lr: Annotated[float, Field(ge=0, le=1)] = 0.0,
        embedding_lr_factor: Factor = 1.0,
        embedding_decay_factor: Factor = 1.0,
        channel_lr_factor: Factor = 1.0,
        decay_vectors: bool = False,
    ) -> None:
        self.lr, self.weight_decay, self.betas = lr, weight_decay, (beta1, beta2)
        self.warmup, self.schedule, self.min_lr = warmup, schedule, min_lr
        self.factors = {Embedding: (embedding_lr_factor, embedding_decay_factor), Channel: (channel_lr_factor, 1.0)}
        self.honours_undecayed = not decay_vectors

    def build(self, modules: list[Component], device: torch.device) -> torch.optim.Optimizer:
        decayed, spared = decay_groups(modules)
        if not self.honours_undecayed:
            priors = parameters_in(modules, Channel)  # where they start is what they are to stay near
            decayed += [p for p in spared if id(p) not in priors]
            spared = [p for p in spared if id(p) in priors]
        groups = [{"params": decayed, "weight_decay": self.weight_decay}, {"params": spared, "weight_decay": 0.0}]
        for kind, factors in self.factors.items():
            if factors != (1.0, 1.0):
                groups = _parted(groups, parameters_in(modules, kind), *factors)
        fused = device.type in ("cpu", "cuda")
        return torch.optim.AdamW(groups, lr=self.lr, betas=self.betas, fused=fused)

    def learning_rate(self, step: int, total: int) -> float:
        warmup = math.ceil(self.warmup * total)
        if step < warmup:
            return self.lr * (step + 1) / warmup
        if self.schedule == "constant":
            return self.lr
        done = (step - warmup) / max(1, total - warmup)
        left = 1 - done if self.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
        return self.lr * (self.min_lr + (1 - self.min_lr) * left)


def _parted(
    groups: list[dict[str, Any]], within: set[int], lr_factor: float, decay_factor: float
) -> list[dict[str, Any]]:
    """Each group without the parameters of these ids, and those with factors of their own."""
    parted = []
    for group in groups:
        inside = [p for p in group["params"] if id(p) in within]
        outside = [p for p in group["params"] if id(p) not in within]
        decay = group["weight_decay"] * decay_factor
        parted += [{**group, "params": outside}]
        parted += [{"params": inside, "weight_decay": decay, "lr_factor": lr_factor}]
    return [group for group in parted if group["params"]]
