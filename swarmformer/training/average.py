"""The moving average of the weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

from swarmformer.contracts import Model, Objective
from swarmformer.spec import TrainSpec


class Average(nn.Module):
    """``module`` follows the weights of a model: average ← d · average + (1 − d) · weights, first of all the weights;
    its buffers are those of the model. ``objective`` follows alike what the objective has of its own.

    With a decay d as long as the run its first weights would weigh most: ``ema_warmup`` bounds d by (1 + t) / (10 + t)
    after t steps, as TensorFlow's ``ExponentialMovingAverage(num_updates=t)`` does. Steps are counted on the CPU:
    ``torch.optim.swa_utils.AveragedModel`` reads its count from the device where a decay depends on it.
    """

    n_averaged: torch.Tensor

    def __init__(self, model: Model, objective: Objective, train: TrainSpec) -> None:
        super().__init__()
        self.module, self.objective = copy.deepcopy((model, objective))
        self.decay, self.warms_up = train.ema_decay, train.ema_warmup
        self.register_buffer("n_averaged", torch.tensor(0, dtype=torch.int64))

    @torch.no_grad()
    def update_parameters(self, model: Model, objective: Objective) -> None:
        steps = int(self.n_averaged)
        decay = min(self.decay, (1 + steps) / (10 + steps)) if self.warms_up else self.decay
        average: list[torch.Tensor] = [*self.module.parameters(), *self.objective.parameters()]
        weights: list[torch.Tensor] = [*model.parameters(), *objective.parameters()]
        if steps == 0:
            torch._foreach_copy_(average, weights)
        else:
            torch._foreach_lerp_(average, weights, 1 - decay)
        for followers, followed in ((self.module, model), (self.objective, objective)):
            for own, other in zip(followers.buffers(), followed.buffers(), strict=True):
                own.copy_(other)
        self.n_averaged += 1
