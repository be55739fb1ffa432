"""What the evidence says, typed. Tables, figures, page and claims show what stands here and compute nothing.

Values are fractions of one (accuracies, differences), seconds, FLOPs. A ``source`` is what a number is made of:
``grid/cell`` of a run, ``grid/floors.json``, ``grid/costs.json``, ``grid/plan.json``, a measurement's file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pandas as pd

from ..statistics.interval import Interval

Sources = tuple[str, ...]
Kind = Literal["difference", "main", "interaction", "simple"]


class Verdict(StrEnum):
    """What is said of a comparison. Every output prints this very word."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    DEPENDS = "depends"
    """A main effect whose factor interacts with another: its simple effects say what holds."""
    INTERACTS = "interacts"
    """Of an interaction that is there; an interaction is never better or worse."""


@dataclass(frozen=True)
class Contrast:
    """One comparison, decided once: an arm less its base, an effect of a factor, an interaction, a simple effect.

    name: the arm; ``windowed``; ``windowed × layer_norm``; ``windowed without layer_norm``. against: the base arm of
    a difference, else empty. family: whose Holm correction ``p_holm`` is. verdict: None where no margin was
    registered. reason: what the verdict rests on, at most a dozen words. aliases: what the design cannot tell from it,
    a minus in front of those that enter negated. simple: the simple effects that stand for a main effect that
    depends. n: runs, or pairs of a difference. p_mcnemar: secondary, of these trained models only.
    """

    kind: Kind
    name: str
    against: str
    family: str
    interval: Interval | None
    p: float | None
    p_holm: float | None
    verdict: Verdict | None
    reason: str
    n: int
    sources: Sources
    aliases: tuple[str, ...] = ()
    simple: tuple[Contrast, ...] = ()
    p_mcnemar: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this comparison and no other within its grid."""
        return self.kind, self.name, self.against


@dataclass(frozen=True)
class Family:
    """Comparisons that are corrected together, in the order that tables show them.

    name: ``one in``, ``one out``, ``placebos and controls``, ``arms``, ``main effects``, ``interactions`` …
    base: the arm that differences are held against, else None. factors: arm → the words of what was changed.
    power: one sentence on what this family could have found.
    """

    name: str
    base: str | None
    contrasts: tuple[Contrast, ...]
    factors: Mapping[str, str] = field(default_factory=dict)
    power: str = ""


@dataclass(frozen=True)
class Size:
    """Of a model: parameters, and FLOPs of a forward pass of one example of ``length`` tokens."""

    parameters: int
    without_embedding: int
    flops: int
    length: int
    sources: Sources


@dataclass(frozen=True)
class Speed:
    """Seconds of one forward pass of a batch, from ``costs.json``."""

    batch: int
    length: int
    median_s: float
    p95_s: float
    share_of_limit: float
    sources: Sources


@dataclass(frozen=True)
class Arm:
    """One configuration of a grid over its seeds; ``runs`` are completed and alike in data, code and device.

    accuracy: of the test split over seeds, kept inside 0 to 1; value: the same of the grid's primary metric;
    values: seed → primary metric. means: every measure of ``MEASURES``, averaged. planned: how many seeds the plan has.
    """

    name: str
    variant: str
    run_key: str
    is_base: bool
    runs: pd.DataFrame
    planned: int
    accuracy: Interval | None
    value: Interval | None
    validation: Interval | None
    values: Mapping[int, float]
    means: Mapping[str, float]
    size: Size | None
    speeds: Mapping[int, Speed]
    sources: Sources

    @property
    def n(self) -> int:
        return len(self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted(self.values))


@dataclass(frozen=True)
class Reference:
    """A predictor that is no arm: a baseline, which arms must beat, or an oracle, which knows how examples are made."""

    name: str
    kind: Literal["baseline", "oracle"]
    split: str
    accuracy: Interval
    detail: str
    sources: Sources


@dataclass(frozen=True)
class GridStudy:
    """One grid and task: its alike runs, what was compared, and what a reader must know before trusting it.

    name: of the grid; folder: where it lies, whose name its sources begin with. effects: one family of main effects
    and one of interactions per factorial design. others: completed runs left out for being unlike, each an arm of its
    own, so that nothing is lost. warnings come before a table, notes after it. counts: cells by status.
    """

    name: str
    folder: Path
    task: str
    base: str | None
    metric: str
    margin: float | None
    arms: tuple[Arm, ...]
    others: tuple[Arm, ...]
    references: tuple[Reference, ...]
    left_out: tuple[str, ...]
    families: tuple[Family, ...]
    effects: tuple[Design, ...]
    data_key: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]

    def arm(self, name: str) -> Arm | None:
        return next((arm for arm in self.arms if arm.name == name), None)

    @property
    def best_baseline(self) -> Reference | None:
        """The best baseline on the test split."""
        known = [one for one in self.references if one.kind == "baseline" and one.split == "test"]
        return max(known, key=lambda one: one.accuracy.mean, default=None)

    def contrasts(self) -> Iterator[Contrast]:
        """Every comparison of the grid, simple effects included."""
        found = [*self.families, *(family for design in self.effects for family in (design.main, design.interactions))]
        for family in found:
            for contrast in family.contrasts:
                yield contrast
                yield from contrast.simple

    def contrast(self, kind: Kind, name: str, against: str = "") -> Contrast | None:
        return next((one for one in self.contrasts() if one.key == (kind, name, against)), None)


@dataclass(frozen=True)
class Design:
    """A factorial or fractional design and its effects. levels: arm → factors that are on in it.

    noise: standard deviation of one run about the model; ``power`` says what an effect must have to be found.
    """

    kind: str
    factors: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    generators: str
    resolution: int | None
    main: Family
    interactions: Family
    power: str


@dataclass(frozen=True)
class Study:
    """Everything that was read: a ``GridStudy`` per grid and task, and ``runs``, one tidy row per cell."""

    grids: tuple[GridStudy, ...]
    runs: pd.DataFrame
