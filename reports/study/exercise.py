"""How far the mechanisms of an arm were exercised, by what its runs measured at the end of training."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarmformer.catalogue import find_item
from swarmformer.errors import SpecError
from swarmformer.records import Exercise, Result

Slots = Mapping[str, Any]
"""Slot → the component in it and its options, as config.json has them."""


@dataclass(frozen=True)
class Mechanism:
    """A measure of the component in a slot, averaged over layers and runs, and its lowest and highest value in any of
    them. A mean below ``least`` or above ``most`` was not exercised; None: no limit."""

    slot: str
    measure: str
    mean: float
    least: float | None
    most: float | None
    low: float
    high: float

    @property
    def is_idle(self) -> bool:
        below = self.least is not None and self.mean < self.least
        return below or (self.most is not None and self.mean > self.most)

    @property
    def room(self) -> float | None:
        """How many times its limit it is away from being idle, below 1 where it is; None where it has no limit."""
        if self.most is not None:
            return self.most / self.mean if self.mean > 0 else math.inf
        return None if self.least is None else self.mean / self.least

    @property
    def ranged(self) -> str:
        """``agreement 0.56 to 0.97``"""
        ends = dict.fromkeys(f"{end:.2g}" for end in (self.low, self.high))
        return f"{self.measure.replace('_', ' ')} {' to '.join(ends)}"

    @property
    def words(self) -> str:
        """``agreement 0.83``"""
        return f"{self.measure.replace('_', ' ')} {self.mean:.2g}"

    @property
    def fault(self) -> str:
        """``router: agreement 0.999, exercised up to 0.9``"""
        limit = f"from {self.least:g}" if self.least is not None and self.mean < self.least else f"up to {self.most:g}"
        return f"{self.slot}: {self.measure.replace('_', ' ')} {self.mean:.3g}, exercised {limit}"


@dataclass(frozen=True)
class Exercised:
    """Of an arm: its components, and what they measured; both empty where its files do not say."""

    slots: Slots = field(default_factory=dict)
    mechanisms: tuple[Mechanism, ...] = ()

    def of(self, slots: Collection[str]) -> tuple[Mechanism, ...]:
        return tuple(one for one in self.mechanisms if one.slot in slots)

    def changed_from(self, other: Exercised) -> tuple[Mechanism, ...]:
        """The mechanisms of the slots in which this arm has another component, or other options."""
        return self.of(self.changed_slots(other))

    def changed_slots(self, other: Exercised) -> tuple[str, ...]:
        """In which this arm has another component than the other one, or other options."""
        return tuple(slot for slot, chosen in self.slots.items() if chosen != other.slots.get(slot))

    def idle_against(self, other: Exercised, *, several: bool = False) -> tuple[str, ...]:
        """Mechanisms in which this arm differs from another and that were not exercised, in words.

        several: the two differ in more than one mechanism: none where one of the slots in which they differ acted, or
        is not known not to, as the difference may come of it.
        """
        idle = [one for one in self.changed_from(other) if one.is_idle]
        if several and {one.slot for one in idle} != {*self.changed_slots(other)}:
            return ()
        return tuple(one.fault for one in idle)


def exercised(results: Sequence[Result], slots: Slots) -> Exercised:
    """Of the runs of one arm."""
    rows: dict[tuple[str, str], list[Exercise]] = {}
    for row in (row for result in results for row in result.telemetry):
        rows.setdefault((row.slot, row.measure), []).append(row)
    return Exercised(slots, tuple(_mechanism(*key, found) for key, found in rows.items()))


def _mechanism(slot: str, measure: str, rows: Sequence[Exercise]) -> Mechanism:
    values = [row.value for row in rows]
    return Mechanism(
        slot, measure, sum(values) / len(values), rows[0].least, rows[0].most, low=min(values), high=max(values)
    )


def idle_factor(factor: str, arms: Iterable[Exercised]) -> tuple[str, ...]:
    """Mechanisms of a factor that no arm with it exercised, in words of the first. What is not known, is not idle."""
    try:
        patch = (find_item("factor", factor).factor or {})["patch"]
    except SpecError:
        return ()
    idle = [{(one.slot, one.measure): one.fault for one in arm.of(patch.get("model", {})) if one.is_idle}
            for arm in arms]  # fmt: skip
    everywhere = set.intersection(*map(set, idle)) if idle else set()
    return tuple(words for key, words in idle[0].items() if key in everywhere) if idle else ()
