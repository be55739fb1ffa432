"""AdamW with the right parameters decayed, and the learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn

from swarmformer.components.shared import Gate
from swarmformer.spec import TrainSpec

UNDECAYED_MODULES = (Gate, nn.LayerNorm, nn.RMSNorm)


def build_optimiser(model: nn.Module, spec: TrainSpec, device: torch.device) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019); norms, biases, gates and vectors are not decayed."""
    spared = set(_undecayed(model))
    decayed = [p for p in model.parameters() if id(p) not in spared]
    others = [p for p in model.parameters() if id(p) in spared]
    groups = [
        {"params": decayed, "weight_decay": spec.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    fused = device.type in ("cpu", "cuda")
    return torch.optim.AdamW(groups, lr=spec.lr, betas=(spec.beta1, spec.beta2), fused=fused)


def _undecayed(model: nn.Module) -> Iterator[int]:
    for module in model.modules():
        whole = isinstance(module, UNDECAYED_MODULES)
        for name, parameter in module.named_parameters(recurse=whole):
            if whole or parameter.ndim < 2 or "bias" in name:
                yield id(parameter)


def learning_rate(step: int, total: int, spec: TrainSpec) -> float:
    """Learning rate of step 0 … total − 1: linear warm-up, then half a cosine or a constant."""
    warmup = math.ceil(spec.warmup * total)
    if step < warmup:
        return spec.lr * (step + 1) / warmup
    if spec.schedule == "constant":
        return spec.lr
    done = (step - warmup) / max(1, total - warmup)
    return spec.lr * (spec.min_lr + (1 - spec.min_lr) * 0.5 * (1 + math.cos(math.pi * done)))
