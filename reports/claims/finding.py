"""What a rule gives: a verdict on a claim, the figures behind it, and where these come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from ..cost_rows import Growth, read_growth
from ..evidence import Evidence
from ..published import Published
from ..view import View, view
from .properties import SOURCE, Properties, read_properties


class Ruling(StrEnum):
    """Of a claim."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not confirmed"
    REFUTED = "refuted"
    UNTESTABLE = "not testable here"


@dataclass(frozen=True)
class Finding:
    """``figures``: what was measured, with intervals where there are some; ``why``: how the ruling follows from it.

    sources: as of an ``Entry``. Without evidence there are neither figures nor sources but the document's.
    """

    ruling: Ruling
    figures: str
    why: str
    sources: tuple[str, ...] = ()


def untestable(why: str) -> Finding:
    return Finding(Ruling.UNTESTABLE, "", why)


def either(confirmed: bool) -> Ruling:
    """For what a single deterministic figure decides."""
    return Ruling.CONFIRMED if confirmed else Ruling.REFUTED


@dataclass(frozen=True)
class Context:
    """All that rules may look at; ``results``: the folder of measurements, ``reports/results``."""

    evidence: Evidence
    published: Published
    results: Path

    @cached_property
    def views(self) -> tuple[View, ...]:
        """Of every grid, its alike runs."""
        return tuple(view(self.evidence, grid) for grid in self.evidence.grids)

    @cached_property
    def properties(self) -> Properties | None:
        return read_properties(self.results)

    def growth(self, mode: str) -> tuple[Growth | None, str]:
        """Cost by length of forward passes (``scaling``) or training steps (``scaling_training``), and its source."""
        source = f"cost/{mode}/costs.json"
        return (read_growth(self.results / "cost" / mode) if (self.results / source).exists() else None), source


MEASURED = (SOURCE,)
NO_PROPERTIES = untestable(f"no {SOURCE}: python -m experiments.properties measures it")


def listed(parts: Iterable[str]) -> str:
    return "; ".join(part for part in parts if part)


def once(sources: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sources))
