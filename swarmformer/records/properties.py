"""``properties.json``, which claims are decided by, and ``norms.json``: what ``experiments.properties`` measured."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BeforeValidator

from .base import Count, Document, Natural, NotNegative, Record, Share
from .environment import Start
from .plan import Parameters


class OfVariant(Record):
    """A row of any table of ``Properties``."""

    variant: str


class OrderChange(OfVariant):
    """Largest ``difference`` of a logit where ``texts`` of ``length`` tokens have their order changed."""

    precision: str
    length: Natural
    texts: Natural
    change: str
    difference: NotNegative


class Gates(OfVariant):
    """Of the feedback: parameters, mean opening, and the largest difference of a logit where they are held open."""

    parameters: Natural
    mean_opening: Share
    difference_held_open: NotNegative


class Leak(OfVariant):
    """How far logits change with the last of ``length`` tokens: the least and the largest of the earlier positions, how
    many of these change at all, and the last."""

    length: Natural
    precision: str
    least_earlier: NotNegative
    largest_earlier: NotNegative
    last: NotNegative
    earlier_changed: Count


class PadChange(OfVariant):
    """Largest ``difference`` of a logit of ``real`` tokens where pads follow, up to ``padded``."""

    real: Natural
    padded: Natural
    precision: str
    difference: NotNegative


class FlopsBySlot(OfVariant):
    """Forward pass of one text, multiply-adds × 2; what ``by_slot`` lacks of ``total`` is pooling and classifier."""

    length: Natural
    total: Count
    by_slot: dict[str, Count]


class ParametersOf(Parameters, OfVariant):
    """Of a model, or of BERT."""


class Pyramid(OfVariant):
    """Number of clusters by layer."""

    layers: Natural
    length: Natural
    clusters: tuple[Natural, ...]


class Scores(OfVariant):
    """Bytes of the scores of all clusters for all clusters in fp32: one layer, one text, one head."""

    length: Natural
    clusters: Natural
    bytes: Natural


class Longest(OfVariant):
    """The longest text, in tokens, whose scores alone fit into this machine's memory."""

    memory_bytes: Natural
    length: Count


class Batch(OfVariant):
    """Texts of a forward pass or a training step; ``fast``: with the fast paths of the CPU."""

    mode: str
    fast: bool
    batch: Natural
    length: Natural


class PeakMemory(Batch):
    """Bytes as ``MeasuredRow`` has them."""

    precision: str
    peak_bytes: Count
    growth_bytes: Count
    method: str


class TooLarge(Batch):
    reason: str


class Properties(Document):
    """``missing``: batches that did not fit, for which ``memory`` has a smaller one or none."""

    start: Start
    device: str
    threads: Natural
    order: tuple[OrderChange, ...]
    gates: tuple[Gates, ...]
    leaks: tuple[Leak, ...]
    pads: tuple[PadChange, ...]
    flops: tuple[FlopsBySlot, ...]
    parameters: tuple[ParametersOf, ...]
    bert: tuple[ParametersOf, ...]
    pyramids: tuple[Pyramid, ...]
    scores: tuple[Scores, ...]
    longest: tuple[Longest, ...]
    memory: tuple[PeakMemory, ...]
    missing: tuple[TooLarge, ...]


def _finite(value: float | None) -> float | None:
    return value if value is None or math.isfinite(value) else None


Reading = Annotated[NotNegative | None, BeforeValidator(_finite)]
"""None where it is no number, as of a gradient that overflows."""


class NormsReading(Record):
    """A model after so many steps, on one batch of training texts in evaluation; ``places``: of its norms.

    tokens: standard deviation of the last states over the tokens of a text, over their root mean square; texts: the
    same of the pooled states over the texts. embedding: norm of the gradient of the embedding table.
    """

    places: str
    step: Count
    loss: Reading
    tokens: Reading
    texts: Reading
    embedding: Reading


class Norms(Document):
    """``command``: its words."""

    command: tuple[str, ...]
    code_revision: str
    rows: tuple[NormsReading, ...]
