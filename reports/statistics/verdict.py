"""What an interval says, given the margin within which a difference does not matter."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Of an arm against its base, or of a factor."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"


def verdict(low: float | None, high: float | None, margin: float) -> Verdict:
    """Verdict of the interval ``(low, high)``; all three in one unit, and higher values are the better ones.

    Equivalent where the interval lies inside ±margin, also where it is off zero: a difference that is real and too
    small to matter. Otherwise better or worse where it lies off zero, else undecided. Undecided without an interval
    (None). Raises ValueError for a negative margin; with a margin of 0 nothing is equivalent.

    Rates, for a 95 % interval: without a difference, "better" is said at most 2.5 % of the time and "worse" as often,
    5 % together. With a true difference of exactly ±margin, "equivalent" is said at most 2.5 % of the time: the
    interval is two one-sided tests at 2.5 % each, stricter than the customary two at 5 % (a 90 % interval).

    Source: D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", 1987.
    """
    if margin < 0:
        raise ValueError(f"the margin must not be negative, got {margin}")
    if low is None or high is None:
        return Verdict.UNDECIDED
    if -margin < low and high < margin:
        return Verdict.EQUIVALENT
    if low > 0:
        return Verdict.BETTER
    return Verdict.WORSE if high < 0 else Verdict.UNDECIDED
