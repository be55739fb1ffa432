"""Logits of a whole split, and what they are worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.contracts import Metrics, Model, ModelOutput, Objective
from swarmformer.data.batching import Batch, Batches
from swarmformer.errors import SpecError


def autocast(device: torch.device, precision: str) -> Any:
    """bf16 autocast, or nothing for fp32.

    Raises:
        SpecError: ``auto``; what that is, a trainer finds out.
    """
    if precision == "auto":
        raise SpecError("precision auto is not decided yet: use cost.precision.chosen_precision, fp32 or bf16")
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


def classification_metrics(logits_MK: Tensor, labels_M: Tensor) -> Metrics:
    """Accuracy, precision, recall, F1 (of class 1 for two classes, macro for more), mean loss and n = M answers.

    Rates are in 0…1; a rate whose denominator is zero counts as 0, as scikit-learn does.
    """
    from sklearn.metrics import precision_recall_fscore_support

    truth, guess = labels_M.numpy(), np.asarray(logits_MK.argmax(dim=-1))
    average = "binary" if logits_MK.shape[1] == 2 else "macro"
    labels = None if average == "binary" else range(logits_MK.shape[1])
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, guess, average=average, labels=labels, zero_division=0
    )
    return {
        "accuracy": float((truth == guess).mean()),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "loss": float(F.cross_entropy(logits_MK.float(), labels_M)),
        "n": len(truth),
    }


class Passes:
    """``Forward`` over batches on the model's device; keeps what each pass gave.

    Args:
        detailed: ``model.detailed``, or that compiled.
    """

    def __init__(self, model: Model, detailed: Any, precision: str) -> None:
        self.model, self.detailed, self.precision = model, detailed, precision
        self.outputs: list[ModelOutput] = []

    def __call__(self, batch: Batch) -> ModelOutput:
        with autocast(batch.ids_BN.device, self.precision):
            output: ModelOutput = self.detailed(batch.ids_BN, batch.mask_BN)
        self.outputs.append(output)
        return output


@torch.no_grad()
def objective_loss(model: Model, objective: Objective, batches: Batches, device: torch.device, precision: str) -> float:
    """The mean over a split's answers of an objective in evaluation; both are left in the modes they were in."""
    modes = model.training, objective.training
    model.eval(), objective.eval()
    total = torch.zeros((), device=device)
    for batch in batches():
        loss = objective.loss(Passes(model, model.detailed, precision), batch.to(device)).total
        total += loss * len(batch.labels_M)
    model.train(modes[0]), objective.train(modes[1])
    return float(total) / len(batches.split.labels)
