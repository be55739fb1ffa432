"""FLOPs of a text, and of an epoch as it is computed, pads included, against those of its real tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction

from swarmformer.contracts import Model
from swarmformer.contracts.component import CLOSED
from swarmformer.data.batching import Batches
from swarmformer.records import EpochFlops, Flops, PaddedFlops

STEP = 32
"""Tokens from one length to the next at which a cost without a closed form is counted; in between it is a line."""


def flops_of_text(model: Model, length: int) -> Flops:
    """Of one text; the model may be without weights."""
    return Flops(forward=model.flops(1, length), training=model.training_flops(1, length), length=length)


def epoch_flops(model: Model, batches: Batches) -> EpochFlops:
    """Of all texts of a split in one epoch, evaluated and trained on. Exact in closed form, else see ``STEP``.

    The model may be without weights. A text of n tokens in a batch of b takes, for its real tokens, the b-th part of
    a batch of b such texts: so what a batch computes once for all of its texts counts once on either side.

    Args:
        batches: a split and how it is padded; ``Batches.plan`` says which texts meet at which length.
    """
    computed: Counter[tuple[int, int]] = Counter()
    texts: Counter[tuple[int, int]] = Counter()
    for rows, length in batches.plan(0):
        computed[len(rows), length] += 1
        texts.update((len(rows), int(real)) for real in batches.sizes[rows])
    forward, training = (_between(model, count) for count in (model.flops, model.training_flops))
    return EpochFlops(
        forward=_padded_and_real(forward, computed, texts), training=_padded_and_real(training, computed, texts)
    )


def _between(model: Model, count: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """A closed form as it is; counting, which is slow, at some of the lengths."""
    if model.flops_source == CLOSED:
        return count

    def straight(B: int, n: int) -> int:
        short = max(1, n // STEP * STEP)
        long = max(n, min(n // STEP * STEP + STEP, model.dims.seq_len))
        few = count(B, short)
        return few if short in (n, long) else few + (count(B, long) - few) * (n - short) // (long - short)

    return straight


def _padded_and_real(
    flops: Callable[[int, int], int], computed: Counter[tuple[int, int]], texts: Counter[tuple[int, int]]
) -> PaddedFlops:
    padded = sum(count * flops(B, N) for (B, N), count in computed.items())
    real = round(sum(Fraction(count * flops(B, n), B) for (B, n), count in texts.items() if n))
    return PaddedFlops(padded=padded, real=real, wasted=1 - real / padded if padded else 0.0)
