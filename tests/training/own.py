"""Ingredients as a stranger would write them: what the contracts must carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import (
    Augmentation,
    Component,
    Dims,
    Forward,
    Judge,
    Loss,
    Metrics,
    Objective,
    Optimiser,
    Probability,
    Stage,
    decay_groups,
)  # fmt: skip
from swarmformer.data.batching import Batch

HERE = __name__
Positive = Annotated[float, Field(gt=0)]


class RDrop(Objective):
    """Cross-entropy of two passes, and how far dropout parts them (Liang et al. 2021)."""

    def __init__(self, dims: Dims, *, weight: Annotated[float, Field(ge=0)] = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        first, second = (batch.answers(forward(batch).logits_BK).float().log_softmax(-1) for _ in range(2))
        truth = (F.nll_loss(first, batch.labels_M) + F.nll_loss(second, batch.labels_M)) / 2
        apart = (_divergence(first, second) + _divergence(second, first)) / 2
        return Loss(truth + self.weight * apart, {"truth": truth, "apart": apart})


def _divergence(log_p_MK: Tensor, log_q_MK: Tensor) -> Tensor:
    return F.kl_div(log_p_MK, log_q_MK, log_target=True, reduction="batchmean")


class Denoise(Objective):
    """Tells the tokens that were hidden, by a head of its own on the states before the pooling."""

    def __init__(self, dims: Dims, *, share: Probability = 0.3) -> None:
        super().__init__()
        self.share, self.head = share, nn.Linear(dims.d_model, dims.vocab_size)

    def loss(self, forward: Forward, batch: Batch) -> Loss:
        place_N = torch.arange(batch.ids_BN.shape[1])
        drawn_BN = torch.rand(batch.ids_BN.shape) < self.share if self.training else place_N % 3 == 0
        hidden_BN = (drawn_BN | (place_N == 0)) & batch.mask_BN
        states: list[torch.Tensor] = []
        hook = forward.model.final_norm.register_forward_hook(lambda module, given, out: states.append(out))  # type: ignore[union-attr]
        forward(replace(batch, ids_BN=batch.ids_BN.masked_fill(hidden_BN, 0)))
        hook.remove()
        return Loss(F.cross_entropy(self.head(states[0].float())[hidden_BN], batch.ids_BN[hidden_BN]))


class Momentum(Optimiser):
    """SGD with momentum, the learning rate falling in a line."""

    def __init__(self, *, lr: Positive = 0.1, shrink: Probability = 0.01) -> None:
        self.lr, self.shrink = lr, shrink

    def build(self, modules: list[Component], device: torch.device) -> torch.optim.Optimizer:
        decayed, spared = decay_groups(modules)
        groups = [{"params": decayed, "weight_decay": self.shrink}, {"params": spared}]
        return torch.optim.SGD(groups, lr=self.lr, momentum=0.9, nesterov=True)

    def learning_rate(self, step: int, total: int) -> float:
        return self.lr * (1 - step / total)


class DropTokens(Augmentation):
    """Leaves out tokens; what is left moves up."""

    def __init__(self, dims: Dims, *, share: Probability = 0.5) -> None:
        self.share = share

    def apply(self, batch: Batch, generator: torch.Generator) -> Batch:
        kept_BN = (torch.rand(batch.ids_BN.shape, generator=generator) >= self.share) & batch.mask_BN
        kept_BN[:, 0] |= ~kept_BN.any(dim=1)
        order_BN = (~kept_BN).long().argsort(dim=1, stable=True)
        return replace(batch, ids_BN=batch.ids_BN.gather(1, order_BN), mask_BN=kept_BN.gather(1, order_BN))


class Pretraining(Stage):
    """Learns by an objective of its own; keeps the weights with the smallest loss on the validation texts."""

    def validate(self, judge: Judge) -> Metrics:
        return judge.loss()

    def score(self, metrics: Metrics) -> float:
        return -metrics["loss"]


OWN = (RDrop, Denoise, Momentum, DropTokens, Pretraining)


def named(cls: type) -> str:
    """As a configuration names it."""
    return f"{HERE}:{cls.__name__}"
