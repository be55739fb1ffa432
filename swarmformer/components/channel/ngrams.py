"""Log-odds of the n-grams of a text, from naive Bayes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from swarmformer.components.channel.naive_bayes import Counts, Found, likeliest_scale, log_count_ratios
from swarmformer.components.channel.regression import Regressor
from swarmformer.contracts import AtLeastOne, Channel, Dims, Probability
from swarmformer.errors import SpecError
from swarmformer.ops.dropout import Dropout
from swarmformer.registry import register

if TYPE_CHECKING:
    from scipy import sparse

    from swarmformer.data.encoded import TrainingTexts

TEXTS = 512
"""Texts that are counted at once."""
FACTOR, FINISH = -7046029254386353131, -4658895280553007687
"""2⁶⁴/φ (Knuth's multiplicative hashing) and a multiplier of SplitMix64 (Steele et al. 2014), odd, as int64."""


class Counted(NamedTuple):
    """Of texts: their n-grams, the same as a matrix of ones, and their labels."""

    chunks: list[Found]
    features_TR: sparse.csr_matrix
    labels_T: Tensor


def features_of(chunks: Sequence[Found], rows: int) -> sparse.csr_matrix:
    """Which n-grams a text has, one or zero [T, R]."""
    from scipy import sparse  # here: few commands need it

    kept = [chunk.row_BM[chunk.counts_BM].numpy() for chunk in chunks]
    lengths = [chunk.counts_BM.sum(dim=1).numpy() for chunk in chunks]
    found, ends = np.concatenate(kept), np.concatenate([[0], *lengths]).cumsum()
    return sparse.csr_matrix((np.ones(len(found)), found, ends), shape=(len(ends) - 1, rows))


@register("channel", "ngrams")
class Ngrams(Channel):
    """A weight for each n-gram that a text has, started from the training labels (Wang & Manning 2012).

    Each n-gram counts once. With two classes it has one weight, its log-odds, which counts half for one class and half
    against the other; with more one for each class against the rest. Single tokens have weights of their own, longer
    n-grams share ``buckets``. Pads, special tokens and what spans them are no n-grams. The weights start at 0 for
    n-grams that training does not have, and take no weight decay: where they start is the prior. What word dropout
    writes in the place of a token is an n-gram like others in training, of a weight that starts at 0.

    Options:
        orders: longest n-gram, in tokens.
        buckets: weights of n-grams of two tokens and more, by hash.
        start: naive_bayes, log-count ratios; or regression, their NB-SVM: ratio · coefficient of a logistic regression
            on n-grams weighted by their ratios, with an L2 penalty. It has converged, so that ``learned`` is best off,
            and knows its training texts: a model beside it learns more where the objective has them ``apart``.
        strength: of regression: the inverse of the penalty's (scikit-learn's C).
        alpha: smoothing of the counts.
        min_texts: n-grams of fewer training texts start at 0.
        scale: of what the weights start from; 0: under which the training texts, each judged by the others, are
            likeliest, without what ``data.augment`` added. Naive Bayes itself is 1, which is far too sure of itself. A
            regression always takes 0 and those texts, held out in five parts.
        learned: whether training changes the weights; the bias it always does.
        dropout: on n-grams.
    """

    text_V: Tensor
    no_decay = ("table_RC",)
    test_options = (
        {"buckets": 32},
        {"buckets": 32, "orders": 3},
        {"orders": 1},
        {"buckets": 32, "start": "regression"},
    )

    def __init__(
        self,
        dims: Dims,
        *,
        orders: Annotated[int, Field(ge=1, le=5)] = 2,
        buckets: AtLeastOne = 2**18,
        start: Literal["naive_bayes", "regression"] = "naive_bayes",
        strength: Annotated[float, Field(gt=0)] = 0.3,
        alpha: Annotated[float, Field(gt=0)] = 1.0,
        min_texts: AtLeastOne = 1,
        scale: Annotated[float, Field(ge=0)] = 0.0,
        learned: bool = True,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if scale and start == "regression":
            raise SpecError("regression finds its own scale: leave it out, or start from naive_bayes", path=("scale",))
        self.orders, self.buckets, self.alpha, self.min_texts, self.scale = orders, buckets, alpha, min_texts, scale
        self.regressor = Regressor(alpha, min_texts, strength) if start == "regression" else None
        self.sees_order = orders > 1
        self.vocabulary, self.classes = dims.vocab_size, dims.num_classes
        rows, columns = dims.vocab_size + (buckets if orders > 1 else 0), 1 if self.classes == 2 else self.classes
        self.table_RC = nn.Parameter(torch.empty(rows, columns).fill_(0.0), requires_grad=learned)
        self.bias_C = nn.Parameter(torch.empty(columns).fill_(0.0))
        self.register_buffer("text_V", torch.empty(dims.vocab_size, dtype=torch.bool).fill_(True))
        self.dropout = Dropout(dropout)

    def forward(self, ids_BN: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        found = self.found(ids_BN, mask_BN)
        weight_BM1 = self.dropout(found.counts_BM.to(self.table_RC.dtype)).unsqueeze(-1)
        score_BC = (F.embedding(found.row_BM, self.table_RC) * weight_BM1).sum(dim=1) + self.bias_C
        return torch.cat([-score_BC, score_BC], dim=1) / 2 if self.classes == 2 else score_BC

    def found(self, ids_BN: Tensor, mask_BN: Tensor | None) -> Found:
        """The n-grams of every text."""
        ends_BN = self.text_V[ids_BN] if mask_BN is None else self.text_V[ids_BN] & mask_BN
        if torch.compiler.is_exporting():  # room for the longest n-gram, however short the text
            ids_BN, ends_BN = (F.pad(x_BN, (0, self.orders - 1)) for x_BN in (ids_BN, ends_BN))
        hash_BN, whole_BN, parts = ids_BN, ends_BN, [ids_BN.masked_fill(~ends_BN, self.none)]
        for order in range(1, min(self.orders, ids_BN.shape[1])):
            hash_BN = (hash_BN[:, :-1] + 1) * FACTOR + ids_BN[:, order:]
            whole_BN = whole_BN[:, :-1] & ends_BN[:, order:]
            parts.append((self.vocabulary + self._bucket(hash_BN)).masked_fill(~whole_BN, self.none))
        row_BM = torch.cat(parts, dim=1).sort(dim=1).values
        first_BM = torch.cat([torch.ones_like(row_BM[:, :1], dtype=torch.bool), row_BM.diff(dim=1) != 0], dim=1)
        return Found(row_BM.clamp(max=self.none - 1), first_BM & (row_BM < self.none))

    @property
    def none(self) -> int:
        """What stands for no n-gram, beyond the table."""
        return len(self.table_RC)

    def _bucket(self, hash_BN: Tensor) -> Tensor:
        mixed_BN = (hash_BN ^ (hash_BN >> 30)) * FINISH
        return (mixed_BN ^ (mixed_BN >> 27)).remainder(self.buckets)

    @torch.no_grad()
    def fit(self, texts: TrainingTexts) -> None:
        self.text_V.fill_(True)
        self.text_V[list(texts.special)] = False
        if self.regressor is None:
            weight_RC, bias_C = self._naive_bayes(texts)
        else:
            own = self._counted(texts.without_added())
            found = self.regressor.fit(own.features_TR, own.labels_T, self.classes)
            weight_RC, bias_C = found.weight_RC, found.bias_C
        self.table_RC.copy_(weight_RC)
        self.bias_C.copy_(bias_C)

    def _naive_bayes(self, texts: TrainingTexts) -> tuple[Tensor, Tensor]:
        """Weights and bias. The scale is that of the texts that no augmentation added: none is held out while a copy of
        it is counted."""
        counted = self._counted(texts)
        counts, ratio_RC = ratios = self._ratios(counted)
        scale = self.scale
        if not scale:
            own = texts.without_added()
            if own is not texts:
                counted = self._counted(own)
                ratios = self._ratios(counted)
            scale = likeliest_scale(*ratios, counted.chunks, counted.labels_T, self.alpha, self.min_texts)
        return scale * ratio_RC, counts.log_odds_C

    def _ratios(self, counted: Counted) -> tuple[Counts, Tensor]:
        counts = Counts.of(counted.features_TR, counted.labels_T, self.classes)
        return counts, log_count_ratios(counts, self.alpha, self.min_texts)

    def _counted(self, texts: TrainingTexts) -> Counted:
        labels_T = torch.from_numpy(texts.split.labels.copy())
        chunks = [self._found_in(texts, start) for start in range(0, len(texts.split), TEXTS)]
        return Counted(chunks, features_of(chunks, len(self.table_RC)), labels_T)

    def _found_in(self, texts: TrainingTexts, start: int) -> Found:
        """Of the next ``TEXTS`` training texts."""
        split = texts.split
        rows = range(start, min(start + TEXTS, len(split)))
        parts = [torch.from_numpy(split.example(row).astype("int64")) for row in rows]
        ids_BN = nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=0)
        lengths_B1 = torch.tensor([[len(part)] for part in parts])
        return self.found(ids_BN, torch.arange(ids_BN.shape[1]) < lengths_B1)

    def flops(self, B: int, N: int) -> int:
        return 0
