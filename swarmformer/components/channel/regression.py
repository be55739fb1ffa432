"""NB-SVM from the n-grams of training texts: a regression on log-count ratios, and how far to trust it.

Columns C are what is told apart: class 1 from class 0, or each of several classes from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from swarmformer.components.channel.naive_bayes import Counts, likeliest_factor, log_count_ratios
from swarmformer.data.nb_svm import regress

if TYPE_CHECKING:
    from scipy import sparse

FOLDS = 5
"""Parts of the training texts that are held out one by one."""
HIGHEST = 4.0
"""Factor on the scores: of a regression with so strong a penalty that it is too unsure of itself."""


@dataclass(frozen=True)
class Regression:
    """fp64. A text's scores are the sum of its n-grams' weights, and the bias."""

    weight_RC: Tensor
    bias_C: Tensor

    def scores(self, features_TR: sparse.csr_matrix) -> Tensor:
        """[T, C]"""
        return torch.from_numpy(features_TR @ self.weight_RC.numpy()) + self.bias_C

    def scaled(self, factor: float) -> Regression:
        return Regression(factor * self.weight_RC, factor * self.bias_C)


@dataclass(frozen=True)
class Regressor:
    """How one is fitted: smoothing of the counts, texts that an n-gram must have, inverse strength of the penalty."""

    alpha: float
    min_texts: int
    strength: float

    def fit(self, features_TR: sparse.csr_matrix, labels_T: Tensor, classes: int) -> Regression:
        """On all texts, then scaled: by the factor under which they are likeliest, each fold judged by the others."""
        whole = self._fit(features_TR, labels_T, classes)
        if len(labels_T) < 2:  # none can be held out
            return whole
        fold_T = np.arange(len(labels_T)) % min(FOLDS, len(labels_T))
        scores_TC = whole.scores(features_TR)
        for fold in np.unique(fold_T):
            inside = fold_T == fold
            others = self._fit(features_TR[~inside], labels_T[~inside], classes)
            scores_TC[inside] = others.scores(features_TR[inside])
        return whole.scaled(likeliest_factor(scores_TC, labels_T, 0.0, HIGHEST))

    def _fit(self, features_TR: sparse.csr_matrix, labels_T: Tensor, classes: int) -> Regression:
        """One for each column; where all texts are on one side of it, their smoothed log-odds alone."""
        counts = Counts.of(features_TR, labels_T, classes)
        ratio_RC = log_count_ratios(counts, self.alpha, self.min_texts).numpy()
        weight_RC, bias_C = np.zeros_like(ratio_RC), counts.log_odds_C.clone()
        for column, own_T in enumerate(counts.own_TC.numpy().T):
            if own_T.any() and not own_T.all():
                found = regress(features_TR, ratio_RC[:, column], own_T, self.strength)
                weight_RC[:, column], bias_C[column] = found
        return Regression(torch.from_numpy(weight_RC), bias_C)
