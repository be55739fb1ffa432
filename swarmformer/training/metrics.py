"""Classification metrics from logits."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

Metrics = dict[str, float | int]


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
