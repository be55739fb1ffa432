"""``costs.json`` of ``experiments.scaling``: how cost grows with the length of the text."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from .base import Count, Natural, Positive, Record
from .benchmark import MeasuredCosts, MeasuredRow


class IntervalEstimate(Record):
    """An estimate with its 95 % interval; without bounds where there is too little to tell."""

    value: float
    low: float | None
    high: float | None


class ScalingRow(MeasuredRow):
    """``seconds`` of every call: of texts read whole, those of all rows are of the same rounds, in their order.

    of_first: the median over that of the first variant at this length, in the same rounds. Of texts in pieces, each row
    in a process of its own: how many tokens a ``piece`` has; ``cpu_s``, the processor's seconds of every call (all
    threads); tokens a second, and the processor's microseconds a token, both by the median.
    """

    seconds: tuple[Positive, ...]
    peak_bytes: Count
    growth_bytes: Count
    of_first: IntervalEstimate | None = None
    piece: Count = 0
    cpu_s: tuple[Positive, ...] = ()
    tokens_per_s: Positive | None = None
    cpu_us_per_token: Positive | None = None


class LocalExponent(IntervalEstimate):
    """From one length in tokens to the next, by the medians; the interval is of timing alone."""

    model_config = ConfigDict(populate_by_name=True)

    shorter: Natural = Field(validation_alias="from", serialization_alias="from")
    longer: Natural = Field(validation_alias="to", serialization_alias="to")


class ScalingExponents(Record):
    """Exponents of the length in power laws of one variant, fitted over all its lengths in tokens.

    None of memory where a length took none that could be seen; ``local_seconds``: none of texts in pieces.
    """

    variant: str
    lengths: tuple[Natural, ...]
    flops: IntervalEstimate
    seconds: IntervalEstimate
    memory: IntervalEstimate | None = None
    local_seconds: tuple[LocalExponent, ...] = ()


class ScalingCosts(MeasuredCosts):
    """Every variant at every length; the first variant is what the others are compared with."""

    rows: tuple[ScalingRow, ...]
    growth: tuple[ScalingExponents, ...]

    def at(self, variant: str, length: int) -> ScalingRow | None:
        return next((row for row in self.rows if (row.variant, row.length) == (variant, length)), None)

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(row.variant for row in self.rows))
