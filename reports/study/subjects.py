"""What is compared, typed: the arms of a grid over their seeds, and predictors that are no arms.

Values are fractions of one (accuracies), seconds, FLOPs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from ..statistics.interval import Interval, independent_difference, over_examples
from .exercise import Exercised

Sources = tuple[str, ...]
"""What a number is made of: ``grid/cell`` of a run, ``grid/floors.json``, ``grid/costs.json``, a measurement's file."""


@dataclass(frozen=True)
class Size:
    """Of a model: parameters, and FLOPs of a forward pass of one example of ``length`` tokens. ``channel``: parameters
    of a channel beside it, which are in no other number."""

    parameters: int
    without_embedding: int
    flops: int
    length: int
    sources: Sources
    channel: int = 0


@dataclass(frozen=True)
class ArmLatency:
    """Seconds of one forward pass of a batch, or of one training step, from ``costs.json``."""

    batch: int
    length: int
    median_s: float
    p95_s: float
    share_of_limit: float
    sources: Sources


@dataclass(frozen=True)
class Arm:
    """One configuration of a grid over its seeds; ``runs`` are completed and alike in data, code and device.

    unlike: of an arm in ``GridStudy.others``, what sets it apart (``code 85ba8d185320``). model: name of its
    architecture. accuracy: of the test split over seeds, kept inside 0 to 1; value: the same of the grid's primary
    metric; values: seed → primary metric. means: every measure of ``MEASURES``, averaged. planned: how many seeds the
    plan has. speeds: of a forward pass, by batch size; step: of a training step, of a batch as large as in its runs.
    exercised: how far its mechanisms were. text_metrics: of running text, ``perplexity`` and ``bits_per_byte`` over
    seeds.
    """

    name: str
    variant: str
    run_key: str
    is_base: bool
    runs: pd.DataFrame = field(compare=False)
    planned: int
    accuracy: Interval | None
    value: Interval | None
    validation: Interval | None
    values: Mapping[int, float]
    means: Mapping[str, float]
    size: Size | None
    speeds: Mapping[int, ArmLatency]
    sources: Sources
    step: ArmLatency | None = None
    model: str = ""
    unlike: str = ""
    exercised: Exercised = field(default_factory=Exercised)
    text_metrics: Mapping[str, Interval] = field(default_factory=dict)
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict, compare=False)
    """Those of ``runs`` as plain lists, where they are at hand; ``column`` has them anyway."""

    @property
    def n(self) -> int:
        return len(self.runs)

    def column(self, name: str) -> Sequence[Any]:
        """A fact of every run; in a thousandth of the time that pandas takes for it."""
        return self.columns[name] if name in self.columns else self.runs[name].tolist()

    def sources_of(self, seeds: Collection[int]) -> Sources:
        """Of the runs with these seeds; of all of the arm where it has none of them."""
        pairs = zip(self.column("where"), self.column("seed"), strict=True)
        return tuple(where for where, seed in pairs if seed in seeds) or self.sources

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted(self.values))


@dataclass(frozen=True)
class Reference:
    """A predictor that is no arm: a baseline, which arms must beat, or an oracle, which knows how examples are made.

    name: with the split where that is not test. n, in ``accuracy``: examples. text_metrics: as of an ``Arm``.
    """

    name: str
    kind: Literal["baseline", "oracle"]
    split: str
    accuracy: Interval
    detail: str
    sources: Sources
    data_key: str = ""
    text_metrics: Mapping[str, Interval] = field(default_factory=dict)

    def below(self, arm: Arm) -> Interval | None:
        """Test accuracy of an arm less this one's, for other examples too; the two taken as independent."""
        if arm.accuracy is None:
            return None
        return independent_difference(over_examples(arm.accuracy, self.accuracy.n), self.accuracy)


@dataclass(frozen=True)
class Baselines:
    """A grid's on the test split of another task. data_key: of its texts; copies: how many of these stand in the
    source's train too."""

    references: tuple[Reference, ...]
    data_key: str
    copies: int
