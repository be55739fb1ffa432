"""Naive Bayes from the n-grams of training texts: log-count ratios, and how far to trust them.

Columns C are what is told apart: class 1 from class 0, or each of several classes from the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from scipy import sparse

ROUGHLY = 1e-3
"""How exact a scale need be."""


class Found(NamedTuple):
    """n-grams of texts: rows of the table, rising; and whether each counts, once in a text."""

    row_BM: Tensor
    counts_BM: Tensor


@dataclass(frozen=True)
class Counts:
    """Texts that have an n-gram, fp64: of a column's class, ``inside``, and of the others.

    own_TC: whether a text is of a column's class. log_odds_C: of the classes themselves.
    """

    inside_RC: Tensor
    outside_RC: Tensor
    own_TC: Tensor
    log_odds_C: Tensor

    @classmethod
    def of(cls, features_TR: sparse.csr_matrix, labels_T: Tensor, classes: int) -> Counts:
        by_class_RK = torch.from_numpy(features_TR.T @ F.one_hot(labels_T, classes).double().numpy())
        told = torch.tensor([1]) if classes == 2 else torch.arange(classes)
        own_TC = labels_T.unsqueeze(1) == told
        inside_RC = by_class_RK[:, told]
        texts_C = own_TC.sum(dim=0).double()
        log_odds_C = ((texts_C + 1) / (len(labels_T) - texts_C + 1)).log()
        return cls(inside_RC, by_class_RK.sum(dim=1, keepdim=True) - inside_RC, own_TC, log_odds_C)

    def seen(self, min_texts: int) -> Tensor:
        """Which n-grams enough texts have, bool [R, 1]."""
        return (self.inside_RC[:, :1] + self.outside_RC[:, :1]) >= min_texts


def log_count_ratios(counts: Counts, alpha: float, min_texts: int = 1) -> Tensor:
    """log((p / |p|₁) / (q / |q|₁)), fp64; p and q are smoothed counts in and outside the class (Wang & Manning 2012).

    0 for n-grams of fewer than ``min_texts`` texts, which are not in the sums either.
    """
    seen_R1 = counts.seen(min_texts)
    p_RC, q_RC = ((part + alpha) * seen_R1 for part in (counts.inside_RC, counts.outside_RC))
    ratio_RC = (p_RC / p_RC.sum(dim=0)).log() - (q_RC / q_RC.sum(dim=0)).log()
    return ratio_RC.where(seen_R1, 0.0)


def held_out_scores(
    counts: Counts, ratio_RC: Tensor, chunks: Sequence[Found], alpha: float, min_texts: int
) -> Iterator[Tensor]:
    """Sums of the log-count ratios of every text [B, C], as they are without that text's own part in the counts.

    n-grams that fewer than ``min_texts`` others have are then in no sum, neither of the text nor of the class.
    """
    seen_R1, kept_R1 = counts.seen(min_texts), counts.seen(min_texts + 1)
    sides = [(part + alpha) * seen_R1 for part in (counts.inside_RC, counts.outside_RC)]
    totals = [side.sum(dim=0) for side in sides]
    start = 0
    for row_BM, counts_BM in chunks:
        own_BC = counts.own_TC[start : start + len(row_BM)]
        kept_BM1, gone_BM1 = ((counts_BM & (kept_R1[row_BM, 0] == stays)).unsqueeze(-1) for stays in (True, False))
        change_inside, change_outside = (
            _change(side_RC[row_BM], total_C, kept_BM1, gone_BM1, taken_BC)
            for side_RC, total_C, taken_BC in zip(sides, totals, (own_BC, ~own_BC), strict=True)
        )
        yield (ratio_RC[row_BM] * kept_BM1).sum(dim=1) + change_inside - change_outside
        start += len(row_BM)


def _change(side_BMC: Tensor, total_C: Tensor, kept_BM1: Tensor, gone_BM1: Tensor, taken_BC: Tensor) -> Tensor:
    """What Σ log(count / total) over the kept n-grams of a text becomes more [B, C] without it.

    Kept n-grams lose it where it is ``taken`` from this side; those that are gone are no more in the total either way.
    """
    number_B1 = kept_BM1.sum(dim=1)
    lost_BC = ((side_BMC - 1) / side_BMC).log().where(kept_BM1, 0.0).sum(dim=1)
    left_BC = total_C - taken_BC * number_B1 - side_BMC.where(gone_BM1, 0.0).sum(dim=1)
    return torch.where(taken_BC, lost_BC, 0.0) - torch.where(number_B1 > 0, number_B1 * (left_BC / total_C).log(), 0.0)


def likeliest_scale(
    counts: Counts, ratio_RC: Tensor, chunks: Sequence[Found], labels_T: Tensor, alpha: float, min_texts: int
) -> float:
    """The factor on log-count ratios, from 0 to 1, under which the labels are likeliest, each text held out in turn."""
    scores_TC = torch.cat(list(held_out_scores(counts, ratio_RC, chunks, alpha, min_texts)))
    return likeliest_factor(scores_TC, labels_T, counts.log_odds_C, highest=1.0)


def likeliest_factor(scores_TC: Tensor, labels_T: Tensor, offset_C: Tensor | float, highest: float) -> float:
    """The factor on scores, from 0 to the highest, under which labels are likeliest: by factor · score + offset."""

    def surprise(factor: float) -> float:
        logit_TC = factor * scores_TC + offset_C
        if logit_TC.shape[1] == 1:
            return float(F.binary_cross_entropy_with_logits(logit_TC[:, 0], labels_T.double()))
        return float(F.cross_entropy(logit_TC, labels_T))

    from scipy.optimize import minimize_scalar  # here: half a second, which few commands need

    return float(minimize_scalar(surprise, bounds=(0.0, highest), method="bounded", options={"xatol": ROUGHLY}).x)
