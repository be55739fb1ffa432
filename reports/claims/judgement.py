"""What is said of a published claim: a verdict, the short words of a table and the long ones of a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Ruling(StrEnum):
    """Verdict on a claim."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    REFUTED = "refuted"
    UNTESTABLE = "not testable here"


@dataclass(frozen=True)
class Finding:
    """What a rule says of a claim.

    measured: at most a dozen words. figures: all of them, with intervals; why: how the verdict follows from them.
    settles: what would change the verdict, where the rule can tell. sources: as of any number of a report, without the
    claim's own entry.
    """

    verdict: Ruling
    measured: str
    figures: str
    why: str
    sources: tuple[str, ...] = ()
    settles: str = ""


def untestable(why: str, settles: str = "") -> Finding:
    """Of a claim that the evidence at hand does not reach."""
    return Finding(Ruling.UNTESTABLE, "", "", why, settles=settles)


def ruling(verdicts: Iterable[bool | None]) -> Ruling:
    """Confirmed where all hold, refuted where all fail; None is open. Needs at least one."""
    kinds = set(verdicts)
    if kinds == {True}:
        return Ruling.CONFIRMED
    return Ruling.REFUTED if kinds == {False} else Ruling.NOT_CONFIRMED


def joined(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)


def once(sources: Iterable[str]) -> tuple[str, ...]:
    """Each source once, in their order."""
    return tuple(dict.fromkeys(sources))
