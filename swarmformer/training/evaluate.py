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
    """logits_NK (fp32, on the CPU) in the order of the split; the model's mode is restored."""
    training = model.training
    model.eval()
    parts, rows = [], []
    for batch in batches():
        with autocast(device, precision):
            logits = model(batch.ids_BN.to(device, non_blocking=True), batch.mask_BN.to(device, non_blocking=True))
        parts.append(logits.float())
        rows.append(batch.index_B)
    model.train(training)
    logits_NK = torch.cat(parts).cpu()
    ordered = torch.empty_like(logits_NK)
    ordered[torch.cat(rows)] = logits_NK
    return ordered


def evaluate(
    model: nn.Module, batches: Batches, device: torch.device, precision: str
) -> tuple[Metrics, Tensor]:
    """Metrics and logits_NK of a split."""
    logits_NK = predict(model, batches, device, precision)
    labels_N = torch.from_numpy(batches.split.labels.copy())
    return classification_metrics(logits_NK, labels_N), logits_NK
