"""The moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from swarmformer.spec import TrainSpec


def averaging(train: TrainSpec) -> Callable[[Any, Any, Any], None]:
    """How the moving average follows the weights: average ← d · average + (1 − d) · weights, first of all the weights.

    With a decay d as long as the run its first weights would weigh most: ``ema_warmup`` bounds d by (1 + t) / (10 + t)
    after t steps, as TensorFlow's ``ExponentialMovingAverage(num_updates=t)`` does.
    """
    if not train.ema_warmup:
        return get_ema_multi_avg_fn(train.ema_decay)

    @torch.no_grad()
    def follow(average: list[Tensor], weights: list[Tensor], steps: Tensor | int) -> None:
        decay = min(train.ema_decay, (1 + int(steps)) / (10 + int(steps)))
        torch._foreach_lerp_(average, weights, 1 - decay)

    return follow
