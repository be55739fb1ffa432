"""Interpolated Kneser–Ney n-grams over token ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CELLS = 1 << 22
"""Probabilities computed at once."""


@dataclass(frozen=True, eq=False)
class _Order:
    """The k-grams of training. ``codes`` [G], rising: number of the context · V + last token. counts [G + 1]. Per
    context: ``total`` of the counts, ``distinct`` last tokens. The last of each is zero: of what does not occur."""

    codes: np.ndarray
    counts: np.ndarray
    total: np.ndarray
    distinct: np.ndarray
    discount: float


class KneserNey:
    """Interpolated Kneser–Ney (Kneser & Ney 1995; Chen & Goodman 1999, section 2.7), one discount an order.

    p_k(w | h) = max(c(hw) − d, 0) / c(h) + d · N(h) / c(h) · p_{k−1}(w | h′), with h′ without its first token, N(h) the
    number of different w after h, and p_0 = 1 / V. c counts occurrences in the longest order; in a shorter one how many
    different tokens stand before, which k-grams that only begin the text have not. d = n₁ / (n₁ + 2 n₂) (Ney et al.
    1994), n₁ and n₂ how many k-grams have count 1 and 2; 0.5 where none has 1. An unseen h gives p_{k−1}.
    """

    def __init__(self, train: np.ndarray, size: int, order: int) -> None:
        self.size, self.order = size, order
        self.codes = [np.zeros(0, dtype=np.int64)]
        """Distinct k-grams of each length k, as ``_Order.codes``; the number of a k-gram is its place."""
        grams, suffixes, occurrences = [np.zeros(len(train), dtype=np.int64)], [], []
        for k in range(1, order + 1):
            # grams[k][i]: number of the k-gram that ends at token i + k − 1.
            codes = grams[-1][: len(train) - k + 1] * size + train[k - 1 :]
            found = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
            distinct, first, number, counts = found
            self.codes.append(distinct)
            suffixes.append(grams[-1][first + 1] if k > 1 else np.zeros(len(distinct), dtype=np.int64))
            occurrences.append(counts)
            grams.append(number)
        self.occurrences = occurrences
        self.before = [np.bincount(suffixes[k], minlength=len(self.codes[k])) for k in range(1, order)]
        """Of each k-gram, in how many (k + 1)-grams it stands last."""
        self.orders = [self._order(k) for k in range(1, order + 1)]

    def _order(self, k: int) -> _Order:
        counts = self.occurrences[k - 1] if k == self.order else self.before[k - 1]
        codes, seen = self.codes[k], counts > 0
        contexts = 1 if k == 1 else len(self.codes[k - 1])
        of = codes // self.size
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        return _Order(
            codes, np.append(counts, 0), np.bincount(of, counts, contexts + 1), np.bincount(of, seen, contexts + 1),
            once / (once + 2 * twice) if once else 0.5,
        )  # fmt: skip

    def cut(self, order: int) -> KneserNey:
        """The model of a shorter order on the same text."""
        if order == self.order:
            return self
        shorter = object.__new__(KneserNey)
        shorter.size, shorter.order = self.size, order
        shorter.codes, shorter.occurrences, shorter.before = self.codes, self.occurrences, self.before
        shorter.orders = [shorter._order(k) for k in range(1, order + 1)]
        return shorter

    def nats(self, tokens: np.ndarray) -> np.ndarray:
        """Negative log-likelihood of every token but the first, float64."""
        words, p = tokens[1:].astype(np.int64), np.full(len(tokens) - 1, 1 / self.size)
        for one, context in zip(self.orders, self._contexts(tokens), strict=True):
            count = one.counts[_places(one.codes, context * self.size + words)]
            p = _interpolated(one, context, count, p)
        return -np.log(p)

    def likeliest(self, tokens: np.ndarray) -> np.ndarray:
        """The token with the largest probability in place of every token but the first; the smallest of several."""
        contexts = np.stack(self._contexts(tokens), axis=1)
        _, first, inverse = np.unique(contexts, axis=0, return_index=True, return_inverse=True)
        rows, step = contexts[first], max(1, CELLS // self.size)
        parts = [self.distribution(rows[start : start + step]).argmax(axis=1) for start in range(0, len(rows), step)]
        return np.concatenate(parts)[inverse.ravel()]

    def distribution(self, contexts: np.ndarray) -> np.ndarray:
        """p(w | h) of every token w [n, V]; contexts [n, order] as ``_contexts`` numbers them."""
        p = np.full((len(contexts), self.size), 1 / self.size)
        for one, context in zip(self.orders, contexts.T, strict=True):
            start, end = (np.searchsorted(one.codes, (context + more) * self.size) for more in (0, 1))
            start, lengths = np.where(context < 0, 0, start), np.where(context < 0, 0, end - start)
            row = np.repeat(np.arange(len(context)), lengths)
            place = np.arange(lengths.sum()) + np.repeat(start - (np.cumsum(lengths) - lengths), lengths)
            count = np.zeros_like(p)
            count[row, one.codes[place] % self.size] = one.counts[place]
            p = _interpolated(one, context[:, None], count, p)
        return p

    def _contexts(self, tokens: np.ndarray) -> list[np.ndarray]:
        """Number of the k-gram before every token but the first, for k from 0 to order − 1; −1 for an unseen one."""
        n = len(tokens) - 1
        contexts = [np.zeros(n, dtype=np.int64)]
        for k in range(1, self.order):
            # The k-gram that ends before token i: the (k − 1)-gram that ends one earlier, and the token in front of i.
            earlier = np.concatenate([[0 if k == 1 else -1], contexts[-1][:-1]])
            code = earlier * self.size + tokens[:-1]
            place = _places(self.codes[k], code)
            contexts.append(np.where((earlier >= 0) & (place >= 0), place, -1))
        return contexts


def _places(codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each stands in ``codes``; −1 where it does not, which numpy reads as the last."""
    place = np.searchsorted(codes, wanted)
    found = codes[np.minimum(place, len(codes) - 1)] == wanted
    return np.where(found, place, -1)


def _interpolated(one: _Order, context: np.ndarray, count: np.ndarray, p: np.ndarray) -> np.ndarray:
    """One order laid over the one below; where a context is unseen, that is left as it is."""
    total, distinct = one.total[context], one.distinct[context]
    with np.errstate(invalid="ignore", divide="ignore"):
        mixed = np.maximum(count - one.discount, 0) / total + one.discount * distinct / total * p
    return np.where(total > 0, mixed, p)
