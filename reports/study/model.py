"""What the evidence says, typed. Tables, figures, page and claims show what stands here and compute nothing.

Values are fractions of one (accuracies, differences), seconds, FLOPs. A ``source`` is what a number is made of:
``grid/cell`` of a run, ``grid/floors.json``, ``grid/costs.json``, ``grid/plan.json``, a measurement's file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from swarmformer.records import Plan, Result

from ..statistics.looks import Looks
from .contrasts import Contrast, Design, Family, Kind
from .grid import Cell, Status
from .registration import Followed, Pair
from .subjects import Arm, Baselines, Reference
from .tuning import Tuned

if TYPE_CHECKING:  # it is made of what stands here
    from .predictions import Read

CUT = ", cut to "
"""In the name of a baseline that reads what the arms read of a text."""


@dataclass(frozen=True)
class GridStudy:
    """One grid and task: its alike runs, what was compared, and what a reader must know before trusting it.

    name: of the grid; folder: where its records are read, whose name its sources begin with; home: where it lies, which
    is another place if it is sealed. effects: one family of main effects and one of interactions per factorial design.
    others: completed runs left out for being unlike, each an arm of its own, so that nothing is lost. references: those
    of the grid, then what other grids measured on the same data. left_out: predictors that the task cannot have, each
    with its reason. warnings come before a table, notes after it, and before these, if it has verdicts, the sentence
    ``verdicts`` on how they come about. cells: of this task, and files of the grid that cannot be read. followed: how
    the plan was registered and kept to. margin: the registered one, None where none was or where it does not hold.
    matched: pairs that were to cost the same. timing: what ``ArmLatency`` was measured on. tuned: what was tried for
    each arm before its runs, in the plan's order. answers: what was read of its predictions. elsewhere: baselines on
    the test splits of other tasks, by task. looks: seeds of which something could be seen when others were added.
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
    followed: Followed
    verdicts: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    plan: Plan | None = None
    matched: tuple[Pair, ...] = ()
    timing: str = ""
    tuned: tuple[Tuned, ...] = ()
    answers: Read | None = field(default=None, compare=False)
    elsewhere: Mapping[str, Baselines] = field(default_factory=dict)
    looks: Looks = ()

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
    def counts(self) -> dict[str, int]:
        """Cells by status."""
        return {str(status): sum(cell.status is status for cell in self.cells) for status in Status}

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

    @property
    def told_apart(self) -> list[tuple[str, Design]]:
        """Each factorial design with what is added to the name of the grid: ", design 2" where it has several."""
        several = len(self.effects) > 1
        return [(f", design {number}" if several else "", one) for number, one in enumerate(self.effects, 1)]

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
class Study:
    """Everything that was read: a ``GridStudy`` per grid and task, and ``runs``, one tidy row per cell."""

    grids: tuple[GridStudy, ...]
    runs: pd.DataFrame = field(compare=False)
