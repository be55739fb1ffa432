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
            return untestable(f"{self.by} of {self.variant} were not measured by experiments.scaling")
        return Finding(
            ruling(is_less for each in deciding for is_less in each.less.values()),
            f"{self.by}: {', '.join(each.short for each in deciding)}",
            joined(each.words for each in ratios),
            joined(each.verdict for each in deciding),
            once(each.source for each in ratios),
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
