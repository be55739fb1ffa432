"""What the evidence says, typed. Tables, figures, page and claims show what stands here and compute nothing.

Values are fractions of one (accuracies, differences), seconds, FLOPs. A ``source`` is what a number is made of:
``grid/cell`` of a run, ``grid/floors.json``, ``grid/costs.json``, ``grid/plan.json``, a measurement's file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from swarmformer.records import Plan, Result

from ..statistics.interval import Interval, independent_difference, over_examples
from ..statistics.power import detectable_difference
from ..statistics.verdict import Verdict
from .exercise import Exercised
from .read import Cell
from .registration import Pair
from .tuning import Tuned

if TYPE_CHECKING:  # it is made of what stands here
    from .predictions import Read

CUT = ", cut to "
"""In the name of a baseline that reads what the arms read of a text."""

Sources = tuple[str, ...]
Kind = Literal["difference", "main", "interaction", "simple"]


@dataclass(frozen=True)
class Contrast:
    """One comparison, decided once: an arm less its base, an effect of a factor, an interaction, a simple effect.

    name: the arm; ``windowed``; ``windowed × layer_norm``; ``windowed without layer_norm``. against: the base arm of
    a difference, else empty. family: whose Holm correction ``p_holm`` is. verdict: None where no margin was
    registered. reason: what the verdict rests on, at most a dozen words. aliases: what the design cannot tell from it,
    a minus in front of those that enter negated. simple: the simple effects that stand for a main effect that
    depends. n: seeds. terms: the factors of an effect, whatever it is named in a grid of several designs. p_mcnemar:
    secondary, of these trained models only. tests: how many p its family corrects together. error: standard error, with
    the seeds less one as degrees of freedom; None where there are no bounds.
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
    terms: tuple[str, ...] = ()
    p_mcnemar: float | None = None
    tests: int = 0
    error: float | None = None

    @property
    def detectable(self) -> float | None:
        """Smallest true difference that is found with 80 % power; None where nothing is known of it."""
        return None if self.error is None else detectable_difference(self.error, self.n, max(1, self.tests))

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

    @cached_property
    def sources(self) -> Sources:
        """Of all its comparisons, which what is corrected over them is made of."""
        return tuple(dict.fromkeys(source for contrast in self.contrasts for source in contrast.sources))


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

    unlike: of an arm in ``GridStudy.others``, what sets it apart (``code 85ba8d185320``). model: name of its
    architecture. accuracy: of the test split over seeds, kept inside 0 to 1; value: the same of the grid's primary
    metric; values: seed → primary metric. means: every measure of ``MEASURES``, averaged. planned: how many seeds the
    plan has. exercised: how far its mechanisms were. text_metrics: of running text, ``perplexity`` and
    ``bits_per_byte`` over seeds.
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


@dataclass(frozen=True)
class GridStudy:
    """One grid and task: its alike runs, what was compared, and what a reader must know before trusting it.

    name: of the grid; folder: where its records are read, whose name its sources begin with; home: where it lies, which
    is another place if it is sealed. effects: one family of main effects
    and one of interactions per factorial design. others: completed runs left out for being unlike, each an arm of its
    own, so that nothing is lost. references: those of the grid, then what other grids measured on the same data.
    left_out: predictors that the task cannot have, each with its reason. warnings come before a table, notes after it,
    and before these, if it has verdicts, the sentence ``verdicts`` on how they come about.
    counts: cells by status. cells: of this task, and files of the grid that cannot be read. registered: one sentence on
    the registration; unregistered: why nothing of the grid decides, empty where its plan was registered before its runs
    and is what was run; deviations: every way in which it was not kept to. margin: the registered one, None where none
    was or where it does not hold. matched: pairs that were to cost the same. timing: what ``ArmLatency``
    was measured on. tuned: what was tried for each arm before its runs, in the plan's order. answers: what
    was read of its predictions. elsewhere: baselines on the test splits of other tasks, by task.
    """

    name: str
    folder: Path
    home: Path
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
    verdicts: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    cells: tuple[Cell, ...] = ()
    plan: Plan | None = None
    registered: str = ""
    unregistered: str = ""
    deviations: tuple[str, ...] = ()
    matched: tuple[Pair, ...] = ()
    timing: str = ""
    tuned: tuple[Tuned, ...] = ()
    answers: Read | None = field(default=None, compare=False)
    elsewhere: Mapping[str, Baselines] = field(default_factory=dict)

    def arm(self, name: str) -> Arm | None:
        """The first of this name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Arm]:
        return {arm.name: arm for arm in reversed(self.arms)}

    @cached_property
    def namesakes(self) -> Counter[str]:
        """How many arms have each name."""
        return Counter(arm.name for arm in self.arms)

    @cached_property
    def results(self) -> dict[str, Result | None]:
        """Place of a run → what it came to."""
        return {cell.where: cell.result for cell in self.cells}

    @cached_property
    def _baselines(self) -> list[Reference]:
        """On the test split of the data that the arms were tested on."""
        known = [each for each in self.references if (each.kind, each.split) == ("baseline", "test")]
        return [each for each in known if each.data_key == self.data_key]

    @property
    def best_baseline(self) -> Reference | None:
        """The best of all; where arms read a part of each text, it may read the whole."""
        return max(self._baselines, key=lambda each: each.accuracy.mean, default=None)

    @property
    def best_on_cut(self) -> Reference | None:
        """The best that reads the same part of each text as the arms; None where none was measured, as where all read
        the whole. Only this grid's own are of its cut."""
        own = f"{self.folder.name}/"
        alike = [each for each in self._baselines if CUT in each.name and each.sources[0].startswith(own)]
        return max(alike, key=lambda each: each.accuracy.mean, default=None)

    def contrasts(self) -> Iterator[Contrast]:
        """Every comparison of the grid, simple effects included."""
        of_designs = (family for design in self.effects for family in (design.main, design.interactions))
        for family in (*self.families, *of_designs):
            for contrast in family.contrasts:
                yield contrast
                yield from contrast.simple

    def contrast(self, kind: Kind, name: str, against: str = "") -> Contrast | None:
        return self._contrasts.get((kind, name, against))

    @cached_property
    def _contrasts(self) -> dict[tuple[str, str, str], Contrast]:
        """By key; of one key the first."""
        return {each.key: each for each in reversed(list(self.contrasts()))}


@dataclass(frozen=True)
class Design:
    """A factorial or fractional design and its effects.

    levels: arm → factors that are on in it. power: one sentence on what a main effect must have to be found;
    detectable: least and most of that size over the factors, None where nothing is known of it. seeds: with which
    every arm is completed.
    """

    kind: str
    factors: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    generators: str
    resolution: int | None
    main: Family
    interactions: Family
    power: str
    detectable: tuple[float, float] | None = None
    seeds: int = 0


@dataclass(frozen=True)
class Study:
    """Everything that was read: a ``GridStudy`` per grid and task, and ``runs``, one tidy row per cell."""

    grids: tuple[GridStudy, ...]
    runs: pd.DataFrame = field(compare=False)
