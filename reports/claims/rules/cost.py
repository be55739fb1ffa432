"""Claims about cost: ratios to ``base`` of FLOPs and of seconds at every length that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...published import Claim, Published
from ...study.model import Study
from ...words import ratio
from ..amounts import Amount, below
from ..judgement import Finding, joined, once, ruling, untestable
from ..measurements import Measurements, Table
from ..rule import Rule, register

BASE = "base"
MODES = {"scaling": "forward", "scaling_training": "training"}
"""Measurement → its word."""
WORDS: dict[bool | None, str] = {True: "less", None: "undecided", False: "not less"}
ONE = Amount.exact(1.0)


@dataclass(frozen=True)
class Ratios:
    """By length, of one quantity in one mode, to the base."""

    quantity: str
    mode: str
    at: Mapping[int, Amount]
    source: str

    @property
    def less(self) -> dict[int, bool | None]:
        return {length: below(amount, ONE) for length, amount in self.at.items()}

    @property
    def words(self) -> str:
        each = ", ".join(f"{_ratio(amount)} at {length:,}" for length, amount in self.at.items())
        return f"{self.quantity}, {self.mode}: × {each}"

    @property
    def short(self) -> str:
        """``forward × 0.49 to 0.56``"""
        values = [amount.value for amount in self.at.values()]
        ends = dict.fromkeys(f"{end:.2f}" for end in (min(values), max(values)))
        return f"{self.mode} × {' to '.join(ends)}"

    @property
    def verdict(self) -> str:
        """``FLOPs, forward: less at 256, 768; not less at 4,096``; without lengths where all say the same."""
        less = self.less
        if len(set(less.values())) == 1:
            return f"{self.quantity}, {self.mode}: {WORDS[next(iter(less.values()))]} at every length"
        lengths = {kind: [f"{length:,}" for length, is_less in less.items() if is_less is kind] for kind in WORDS}
        parts = [f"{WORDS[kind]} at {', '.join(some)}" for kind, some in lengths.items() if some]
        return f"{self.quantity}, {self.mode}: {', '.join(parts)}"


@register("cheaper")
class Cheaper(Rule):
    """``by``: FLOPs or seconds, whichever the document speaks of; both are shown.

    Confirmed where every ratio is below one beyond its interval, refuted where every one is at least one beyond it.
    """

    variant: str
    by: Literal["FLOPs", "seconds"] = "FLOPs"

    def judge(self, claim: Claim, study: Study, published: Published, measurements: Measurements) -> Finding:
        ratios = self._ratios(measurements)
        deciding = [each for each in ratios if each.quantity == self.by]
        if not deciding:
            measure = f"python -m experiments.scaling with variants=[{BASE},{self.variant}]"
            return untestable(f"{self.by} of {self.variant} were not measured by experiments.scaling", measure)
        return Finding(
            ruling(is_less for each in deciding for is_less in each.less.values()),
            f"{self.by}: {', '.join(each.short for each in deciding)}",
            joined(each.words for each in ratios),
            joined(each.verdict for each in deciding),
            once(each.source for each in ratios),
            _settling(deciding),
        )

    def _ratios(self, measurements: Measurements) -> list[Ratios]:
        tables = {word: measurements.table(f"{name}.rows") for name, word in MODES.items()}
        both = [
            Ratios(quantity, mode, at(table, self.variant), table.source)
            for mode, table in tables.items()
            if table is not None
            for quantity, at in (("FLOPs", _flops), ("seconds", _seconds))
        ]
        return [each for each in both if each.at]


def _settling(deciding: list[Ratios]) -> str:
    """What would change the verdict that these give."""
    less = [(each.mode, length, is_less) for each in deciding for length, is_less in each.less.items()]
    known = {is_less for *_, is_less in less}
    if known == {True}:
        return "a length at which it is not less"
    if known == {False}:
        return "a length at which it is less, beyond its interval"
    if {True, False} <= known:
        return "no further length, as it is less at some and not at others: only a claim that says at which"
    undecided = ", ".join(f"{mode} at {length:,}" for mode, length, is_less in less if is_less is None)
    return f"more rounds, or a machine with nothing beside it, for narrower intervals: {undecided}"


def _flops(table: Table, variant: str) -> dict[int, Amount]:
    base = {row["length"]: row["flops"] for row in table.where({"variant": BASE})}
    rows = sorted(table.where({"variant": variant}), key=lambda row: row["length"])
    return {row["length"]: Amount.exact(row["flops"] / base[row["length"]]) for row in rows if row["length"] in base}


def _seconds(table: Table, variant: str) -> dict[int, Amount]:
    rows = sorted(table.where({"variant": variant}), key=lambda row: row["length"])
    return {row["length"]: Amount.between(**row["of_first"]) for row in rows if row.get("of_first")}


def _ratio(amount: Amount) -> str:
    bounded = amount.low < amount.high and math.isfinite(amount.low)
    return ratio(amount.value, amount.low if bounded else None, amount.high if bounded else None)
