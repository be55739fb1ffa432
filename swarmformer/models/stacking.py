"""Weights of models that answer together, from texts that none of them learned from (stacking; Wolpert 1992)."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def likeliest_weights(addends_MAK: Tensor, labels_M: Tensor) -> list[float]:
    """The weights of A models, none below zero, under which labels are likeliest: by the softmax of the weighted sum of
    their logits.

    Weights for whole models as Ting & Witten (1999, JAIR 10) have them, of which none may vote against itself (Breiman
    1996). The surprise is convex in them, so that it has one least value; where all labels are told right it falls
    without end, and the weights stop where it hardly falls. All are 1 where none of the models is better than a guess.
    """
    from scipy.optimize import minimize  # here: half a second, which few commands need
    from scipy.special import log_softmax

    labels, rows = labels_M.numpy(), np.arange(len(labels_M))
    logits_MAK = addends_MAK.double().numpy()
    size_A = np.sqrt(np.square(logits_MAK).mean(axis=(0, 2)))  # of unlike sizes the search would end early
    size_A[size_A == 0] = 1.0
    logits_MAK = logits_MAK / size_A[:, None]

    def surprise(weights_A: np.ndarray) -> tuple[float, np.ndarray]:
        logs_MK = log_softmax(np.einsum("a,mak->mk", weights_A, logits_MAK), axis=1)
        wrong_MK = np.exp(logs_MK)
        wrong_MK[rows, labels] -= 1
        return -float(logs_MK[rows, labels].mean()), np.einsum("mk,mak->a", wrong_MK, logits_MAK) / len(rows)

    found = minimize(surprise, np.ones_like(size_A), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(size_A))
    return [float(weight) for weight in found.x / size_A] if found.x.any() else [1.0] * len(size_A)
