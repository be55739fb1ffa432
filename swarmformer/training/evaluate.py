"""What a model makes of a whole split, and what that is worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from swarmformer.contracts import Metrics, Model, ModelOutput, Objective
from swarmformer.contracts.objective import why_whole
from swarmformer.data.batching import Batch, Batches
from swarmformer.errors import MemoryExhaustedError
from swarmformer.models.with_channel import WithChannel
from swarmformer.modes import autocast, evaluating
from swarmformer.training.faults import ran_out_of_memory
from swarmformer.training.ranks import ALONE, Ranks

FORETOLD_CELLS = 1 << 26
"""Logits of predicted tokens at once: over a large vocabulary those of a whole batch would fill the memory."""


def passes(
    model: Model, batches: Batches, device: torch.device, precision: str, ranks: Ranks = ALONE
) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch of this process's, on the device, with its logits_MK (fp32); in parts where it is large, or more than
    the memory holds. The model's mode is restored.

    Raises:
        MemoryExhaustedError: a single text does not fit.
    """
    def logits(part: Batch) -> Tensor:
        return part.answers(model(part.ids_BN, part.mask_BN))

    return _passes(model, batches, device, precision, ranks, logits)


@torch.inference_mode()
def _passes(
    model: Model, batches: Batches, device: torch.device, precision: str, ranks: Ranks, made: Callable[[Batch], Tensor]
) -> Iterator[tuple[Batch, Tensor]]:
    def answers(part: Batch) -> Tensor:
        with autocast(device, precision):
            return made(part).float()

    with evaluating(model):
        yield from _fitting(_parts(batches, model.dims.num_classes, ranks), answers, device)


def _fitting(
    batches: Iterable[Batch], made: Callable[[Batch], Tensor], device: torch.device, whole: str = ""
) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch, on the device, with what is made of it; in halves, and so on, where memory does not hold all of it,
    and from there on no more texts at once than what it held.

    Args:
        whole: why no batch can be parted; empty where it can.

    Raises:
        MemoryExhaustedError: what cannot be parted, or a single text, does not fit.
    """
    most: float = math.inf
    for batch in batches:
        waiting = [batch.to(device)]
        while waiting:
            part = waiting.pop()
            tried = len(part.ids_BN) <= most
            found = _fitted(made, part, whole) if tried else None
            if found is not None:
                yield part, found
                continue
            if tried:
                most = len(part.ids_BN) // 2
            waiting += [part.share(1, 2), part.share(0, 2)]


def _fitted(made: Callable[[Batch], Tensor], here: Batch, whole: str) -> Tensor | None:
    """What is made of a batch; None where the memory does not hold it and it can be parted."""
    try:
        return made(here)
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        B, N = here.ids_BN.shape
        if B == 1:
            words = f"memory does not hold one text of {N} tokens in evaluation: shorten model.dims.seq_len"
            raise MemoryExhaustedError(words) from error
        if whole:
            words = f"memory does not hold {B} texts of {N} tokens in evaluation, and {whole}"
            raise MemoryExhaustedError(f"{words}: set a smaller train.eval_batch_size") from error
    if here.ids_BN.is_cuda:
        torch.cuda.empty_cache()  # here: the error held all that the pass had computed
    return None


def _parts(batches: Batches, classes: int, ranks: Ranks) -> Iterator[Batch]:
    for rows, length in batches.plan(0)[ranks.rank :: ranks.size]:
        step = len(rows) if batches.split.text_bytes is None else max(1, FORETOLD_CELLS // (length * classes))
        for start in range(0, len(rows), step):
            yield batches.batch(rows[start : start + step], length)


def predict(
    model: Model, batches: Batches, device: torch.device, precision: str, ranks: Ranks = ALONE
) -> Tensor:
    """logits_MK (fp32, on the CPU) in the order of the split's labels."""
    found = [(batch.index_M, logits_MK) for batch, logits_MK in passes(model, batches, device, precision, ranks)]
    return _ordered(found, (len(batches.split.labels), model.dims.num_classes), ranks)


def predict_addends(
    model: WithChannel, batches: Batches, device: torch.device, precision: str, ranks: Ranks = ALONE
) -> Tensor:
    """The logits of a model and of the channel beside it, [M, 2, K] (fp32, on the CPU), in the order of the split's
    labels."""
    def addends(part: Batch) -> Tensor:
        output = model.detailed(part.ids_BN, part.mask_BN)
        return torch.stack([part.answers(addend_BK).float() for addend_BK in output.addends], dim=1)

    passed = _passes(model, batches, device, precision, ranks, addends)
    found = [(batch.index_M, addends_M2K) for batch, addends_M2K in passed]
    return _ordered(found, (len(batches.split.labels), 2, model.dims.num_classes), ranks)


def _ordered(found: list[tuple[Tensor, Tensor]], shape: tuple[int, ...], ranks: Ranks) -> Tensor:
    """What all processes found for each answer, by its index; on the CPU."""
    ordered = torch.zeros(shape)
    if found:  # a process may have had no batch
        ordered[torch.cat([index_M for index_M, _ in found])] = torch.cat([value for _, value in found]).cpu()
    return ranks.add(ordered)


def evaluate(
    model: Model, batches: Batches, device: torch.device, precision: str, ranks: Ranks = ALONE
) -> tuple[Metrics, Tensor]:
    """Metrics of a split, and logits_MK, one row per label; where every token is predicted their losses_M instead."""
    if batches.split.text_bytes is not None:
        return next_token_metrics(model, batches, device, precision, batches.split.text_bytes, ranks)
    logits_MK = predict(model, batches, device, precision, ranks)
    labels_M = torch.from_numpy(batches.split.labels.copy())
    return classification_metrics(logits_MK, labels_M), logits_MK


def next_token_metrics(
    model: Model, batches: Batches, device: torch.device, precision: str, text_bytes: int, ranks: Ranks = ALONE
) -> tuple[Metrics, Tensor]:
    """Metrics of running text, and the negative log-likelihood of every token, in nats, fp32.

    ``loss`` is its mean, ``perplexity`` exp(loss), ``bits_per_byte`` its sum over ln 2 and the bytes of the text.
    Precision, recall and F1 are means over the tokens that occur or were given.
    """
    found, K = [], model.dims.num_classes
    counts_3K = torch.zeros(3, K, dtype=torch.int64, device=device)
    right_K, told_K, true_K = counts_3K
    for batch, logits_MK in passes(model, batches, device, precision, ranks):
        truth_M, guess_M = batch.labels_M, logits_MK.argmax(dim=-1)
        found.append((batch.index_M, F.cross_entropy(logits_MK, truth_M, reduction="none")))
        for count_K, ids in ((right_K, truth_M[guess_M == truth_M]), (told_K, guess_M), (true_K, truth_M)):
            count_K += torch.bincount(ids, minlength=K)
    ranks.add(counts_3K)
    losses_M = _ordered(found, (len(batches.split.labels),), ranks)
    loss, n = float(losses_M.double().mean()), len(losses_M)
    seen = (told_K + true_K) > 0
    right, told, true = (count_K[seen].double() for count_K in (right_K, told_K, true_K))
    return {
        "accuracy": int(right_K.sum()) / n,
        "precision": float((right / told.clamp(min=1)).mean()),
        "recall": float((right / true.clamp(min=1)).mean()),
        "f1": float((2 * right / (told + true)).mean()),
        "loss": loss,
        "n": n,
        "perplexity": math.exp(min(loss, 700.0)),
        "bits_per_byte": loss * n / math.log(2) / text_bytes,
    }, losses_M


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
def objective_loss(
    model: Model, objective: Objective, batches: Batches, device: torch.device, precision: str, ranks: Ranks = ALONE
) -> float:
    """The mean of an objective in evaluation over a split's answers, or over its texts where it is one over rows; in
    parts where a batch is more than the memory holds. Both are left in the modes they were in.

    Raises:
        MemoryExhaustedError: a single text, or a batch whose loss is no mean over its parts, does not fit.
    """
    over_rows = objective.mean_over == "rows"
    whole = (batches.batch(rows, length) for rows, length in batches.plan(0)[ranks.rank :: ranks.size])

    def loss(part: Batch) -> Tensor:
        return objective.loss(Passes(model, model.detailed, precision), part).total

    total = torch.zeros((), device=device)
    with evaluating(model, objective):
        for part, mean in _fitting(whole, loss, device, why_whole(model, objective)):
            total += mean * len(part.ids_BN if over_rows else part.labels_M)
    return float(ranks.add(total)) / (len(batches.split) if over_rows else len(batches.split.labels))
