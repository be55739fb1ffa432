"""The one rule by which a comparison is decided, whatever shows it, and the correction over a family before it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from ..words import p_value
from .interval import Interval

ALPHA = 0.05
"""Of p after Holm's correction."""
TINY = 1e-12


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p values in the given order; None stays None and does not count as a member of the family.

    The chance of any false call at ``adjusted < 0.05`` is at most 5 %, whatever the dependence of the tests.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    made = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, place) in enumerate(made):
        adjusted[place] = least = max(least, min(1.0, (len(made) - rank) * p))
    return adjusted


class Verdict(StrEnum):
    """What is said of a comparison. Every output prints this very word."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    DEPENDS = "depends"
    """A main effect whose factor interacts with another: its simple effects say what holds."""
    NOT_EXERCISED = "not exercised"
    """Of a mechanism that hardly acted in the trained models: nothing follows about it."""
    INTERACTS = "interacts"
    """Of an interaction that is there; an interaction is never better or worse."""


NO_MARGIN = "no margin was registered"


def judge(
    interval: Interval | None,
    p_holm: float | None,
    margin: float | None,
    *,
    is_interaction: bool = False,
    interacts_with: Sequence[str] = (),
    aliases: Sequence[str] = (),
    idle: Sequence[str] = (),
    is_alone: bool = False,
) -> tuple[Verdict | None, str]:
    """The verdict on a comparison, and what it rests on.

    margin: within which a difference does not matter, in the interval's unit; without one there is no verdict, nor
    without an interval, as nothing was compared.
    interacts_with: factors that a main effect's factor interacts with (``is_interaction_there``). aliases: what the
    design cannot tell from it, named in the reason. idle: what of the mechanism was not exercised, beyond the limits
    that its component declares. is_alone: the only test of its family, so that Holm had nothing to correct.

    Equivalent where the interval lies inside ±margin, also where it is off zero: a difference that is real and too
    small to matter. Better or worse where it lies off zero and ``p_holm`` is below 0.05. Else undecided. No spread
    observed is no certainty: without bounds nothing is decided. An interaction is there or undecided; as it is half
    of what two simple effects differ by, it is held to half the margin. A main effect whose factor interacts depends:
    its simple effects say what holds. Whatever the interval, a mechanism that was not exercised is neither better nor
    equivalent: what differs comes of something else, such as more parameters.

    Rates, for an interval that covers as it promises: in a family without any difference "better" or "worse" is said
    at most 5 % of the time; with a true difference of ±margin "equivalent" is said at most 2.5 % of the time (two
    one-sided tests at 2.5 % each, stricter than the customary two at 5 %).

    Raises ValueError for a margin that is not positive.

    Source: D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", 1987.
    """
    if margin is not None and margin <= 0:
        raise ValueError(f"the margin must be positive, got {margin}")
    if margin is None:
        return None, NO_MARGIN
    if interval is None:
        return None, "no seed in common is completed"
    if idle:
        return Verdict.NOT_EXERCISED, "; ".join(idle)
    if interacts_with:
        verdict, reason = Verdict.DEPENDS, f"interacts with {' or '.join(dict.fromkeys(interacts_with))}"
    else:
        verdict, reason = _of_interval(interval, p_holm, margin / 2 if is_interaction else margin, is_alone)
    if is_interaction:
        is_there = verdict in (Verdict.BETTER, Verdict.WORSE)
        verdict = Verdict.INTERACTS if is_there else Verdict.UNDECIDED
    return verdict, f"{reason}; not told from {', '.join(aliases)}" if aliases else reason


def is_interaction_there(interval: Interval | None, p_holm: float | None, margin: float | None) -> bool:
    """Whether main effects of its factors depend on one another; where no margin is known, any will do."""
    return judge(interval, p_holm, margin or TINY, is_interaction=True)[0] is Verdict.INTERACTS


def is_significant(p_holm: float | None) -> bool:
    return p_holm is not None and p_holm < ALPHA


def _of_interval(interval: Interval, p_holm: float | None, margin: float, is_alone: bool) -> tuple[Verdict, str]:
    if interval.low is None or interval.high is None:
        agree = "the seeds agree exactly: no spread observed is not certainty"
        return Verdict.UNDECIDED, agree if interval.n > 1 else "one seed in common"
    if -margin < interval.low and interval.high < margin:
        return Verdict.EQUIVALENT, f"interval within ±{100 * margin:.4g} points"
    if interval.low <= 0 <= interval.high:
        return Verdict.UNDECIDED, "interval holds zero and passes the margin"
    said = "no p" if p_holm is None else f"p {p_value(p_holm)} {'by itself' if is_alone else 'after Holm'}"
    if not is_significant(p_holm):
        return Verdict.UNDECIDED, f"interval off zero, but {said}"
    return Verdict.BETTER if interval.low > 0 else Verdict.WORSE, f"interval off zero, {said}"
