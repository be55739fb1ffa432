"""Logits of a whole split."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swarmformer.data.batching import Batches
from swarmformer.training.metrics import Metrics, classification_metrics


def autocast(device: torch.device, precision: str) -> Any:
    """bf16 autocast, or nothing for fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@torch.inference_mode()
def predict(model: nn.Module, batches: Batches, device: torch.device, precision: str) -> Tensor:
    """logits_MK (fp32, on the CPU) in the order of the split's labels; the model's mode is restored."""
    training = model.training
    model.eval()
    parts, rows = [], []
    for batch in batches():
        here = batch.to(device)
        with autocast(device, precision):
            logits = model(here.ids_BN, here.mask_BN)
        parts.append(here.answers(logits).float())
        rows.append(batch.index_M)
    model.train(training)
    logits_MK = torch.cat(parts).cpu()
    ordered = torch.empty_like(logits_MK)
    ordered[torch.cat(rows)] = logits_MK
    return ordered


def evaluate(
    model: nn.Module, batches: Batches, device: torch.device, precision: str
) -> tuple[Metrics, Tensor]:
    """Metrics and logits_MK of a split, one row per label."""
    logits_MK = predict(model, batches, device, precision)
    labels_M = torch.from_numpy(batches.split.labels.copy())
    return classification_metrics(logits_MK, labels_M), logits_MK
