"""One cell of the table of arms: the text that is shown, the number that it is sorted by, and its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..schema import Latency
from ..sheet import MISSING
from ..statistics.interval import Interval
from ..words import engineering, three, with_bounds, with_half


@dataclass(frozen=True)
class Amount:
    """``value`` is None where there is nothing to sort by: it comes last, whatever the direction.

    text: as shown; ``MISSING`` where something was asked for and is not there, empty where it has no meaning.
    low, high: bounds of the value's interval, in the value's unit.
    """

    text: str
    value: float | None = None
    sources: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def record(self, name: str) -> dict[str, Any]:
        """As the page reads it; ``name`` is that of the list of sources."""
        full = {"text": self.text, "value": self.value, "from": name, "low": self.low, "high": self.high}
        return {key: value for key, value in full.items() if value not in (None, "") or key == "text"}


def missing(is_arm: bool) -> Amount:
    """Missing in an arm; in a floor or ceiling it has no meaning."""
    return Amount(MISSING if is_arm else "")


def of_interval(interval: Interval | None, sources: tuple[str, ...], *, sign: str = "", even: bool = True) -> Amount:
    """A mean with its interval: ``± half`` where the interval is even, else its bounds."""
    if interval is None:
        return missing(True)
    text = (with_half if even else with_bounds)(interval, sign)
    return Amount(text, interval.mean, sources, interval.low, interval.high)


def of_count(count: int | None, sources: tuple[str, ...], is_arm: bool) -> Amount:
    """A whole number with its thousands apart."""
    return missing(is_arm) if count is None else Amount(f"{count:,}", count, sources)


def of_flops(flops: int | None, length: int | None, sources: tuple[str, ...], is_arm: bool) -> Amount:
    """FLOPs of one example, with the length in tokens that they are of."""
    if flops is None:
        return missing(is_arm)
    return Amount(f"{engineering(flops)} @ {length}", flops, sources)


def of_latency(found: Latency | None, source: str, is_arm: bool) -> Amount:
    """Median and p95 in milliseconds, with the length in tokens that they are of."""
    if found is None:
        return missing(is_arm)
    text = f"{three(1e3 * found.median_s)} / {three(1e3 * found.p95_s)} @ {found.length}"
    return Amount(text, found.median_s, (source,))
